// Runs the panels' own queries, with the steps and windows that Grafana would choose.

import { FieldType, createDataFrame } from '@grafana/data';

const number = (text) => (text === 'NaN' ? Number.NaN : Number(text.replace('Inf', 'Infinity')));

export class Prometheus {
  constructor({ fromSeconds, toSeconds, scrapeSeconds }) {
    Object.assign(this, { fromSeconds, toSeconds, scrapeSeconds });
  }

  async frames(target, width) {
    const range = this.toSeconds - this.fromSeconds;
    // One sample a pixel at most, and none between two scrapes.
    const step = Math.ceil(range / width / this.scrapeSeconds) * this.scrapeSeconds;
    const windows = { __rate_interval: Math.max(step + this.scrapeSeconds, 4 * this.scrapeSeconds), __range: range };
    const query = target.expr.replace(/\$\{?(\w+)\}?/g, (_, name) => (name in windows ? `${windows[name]}s` : '.*'));
    const parameters = target.instant
      ? { query, time: this.toSeconds }
      : { query, start: this.fromSeconds, end: this.toSeconds, step };
    const path = `/api/v1/${target.instant ? 'query' : 'query_range'}?${new URLSearchParams(parameters)}`;
    const answer = await (await fetch(path)).json();
    if (answer.status !== 'success') {
      throw new Error(`${query}: ${answer.error}`);
    }
    return answer.data.result.map(({ metric, value, values }) => this.frame(target, metric, values ?? [value], step));
  }

  frame(target, labels, samples, step) {
    const known = new Map(samples.map(([time, value]) => [time, number(value)]));
    const times = target.instant ? [...known.keys()] : this.times(step);
    // A sample that is missing is a gap, not a line to the next one.
    const values = times.map((time) => known.get(time) ?? null);
    const name = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
    return createDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: times.map((time) => time * 1000), config: {} },
        { name: 'Value', type: FieldType.number, values, labels, config: { displayNameFromDS: name || undefined } },
      ],
    });
  }

  times(step) {
    return Array.from({ length: Math.floor((this.toSeconds - this.fromSeconds) / step) + 1 }, (_, n) => this.fromSeconds + n * step);
  }
}
