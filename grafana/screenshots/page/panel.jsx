// One panel, drawn by Grafana's components. Only the kinds that Candlewire's dashboards use are known.

import { dateTime, getFieldDisplayValues } from '@grafana/data';
import { BigValue, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';
import { configured } from './field-config.js';

const VISUALS = { stat: Stat, timeseries: Graph, table: Table };

export function Panel({ panel, frames, prometheus, theme, ...size }) {
  const Visual = VISUALS[panel.type];
  return (
    <PanelChrome title={panel.title} {...size}>
      {(width, height) => <Visual {...{ panel, prometheus, theme, width, height }} data={configured(frames, panel, theme)} />}
    </PanelChrome>
  );
}

function Stat({ panel, data, theme, width, height }) {
  const { reduceOptions, orientation, colorMode, graphMode, justifyMode, textMode, wideLayout } = panel.options;
  const replaceVariables = (text) => text;
  const values = () => getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions, replaceVariables, theme, data });
  return (
    <VizRepeater
      getValues={values}
      source={data}
      renderCounter={0}
      autoGrid
      {...{ width, height, orientation }}
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          disableWideLayout={!wideLayout}
          {...{ count, width, height, theme, colorMode, graphMode, justifyMode, textMode }}
        />
      )}
    />
  );
}

function Graph({ panel, data, prometheus, width, height }) {
  const [from, to] = [dateTime(prometheus.fromSeconds * 1000), dateTime(prometheus.toSeconds * 1000)];
  const timeRange = { from, to, raw: { from, to } };
  return <TimeSeries frames={data} legend={panel.options.legend} timeZone="utc" {...{ timeRange, width, height }} />;
}

function Table({ panel, data, theme }) {
  const { indexByName, renameByName } = panel.transformations[0].options;
  const columns = Object.keys(indexByName).sort((one, other) => indexByName[one] - indexByName[other]);
  const rows = data.map(({ fields: [, { labels, values }] }) => ({ ...labels, Value: values[0] }));
  const cell = { padding: theme.spacing(0.5, 4, 0.5, 1), textAlign: 'left' };
  return (
    <table>
      <thead>
        <tr>{columns.map((name) => <th key={name} style={cell}>{renameByName[name]}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.job}>{columns.map((name) => <td key={name} style={cell}>{row[name]}</td>)}</tr>
        ))}
      </tbody>
    </table>
  );
}
