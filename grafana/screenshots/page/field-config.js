// What of a panel's fieldConfig is applied to its fields. Grafana's server registers these properties when it loads its
// panels; the published packages apply what is registered, by its rules for defaults and overrides.

import { FieldConfigOptionsRegistry, applyFieldOverrides, identityOverrideProcessor } from '@grafana/data';

const STANDARD = ['unit', 'decimals', 'min', 'max', 'noValue', 'displayName', 'mappings', 'thresholds', 'color'];
const CUSTOM = [
  'drawStyle', 'lineInterpolation', 'lineWidth', 'lineStyle', 'fillOpacity', 'showPoints', 'pointSize', 'spanNulls',
  'scaleDistribution', 'stacking', 'thresholdsStyle', 'axisSoftMax',
];

function property(path, isCustom) {
  return {
    // Overrides name custom properties with this prefix.
    id: isCustom ? `custom.${path}` : path,
    path,
    name: path,
    isCustom,
    process: identityOverrideProcessor,
    override: () => null,
    editor: () => null,
    shouldApply: () => true,
    settings: {},
  };
}

const fieldConfigRegistry = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((path) => property(path, false)),
  ...CUSTOM.map((path) => property(path, true)),
]);

export function configured(frames, panel, theme) {
  const data = applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  // Grafana fills in what every graph's fields have.
  for (const field of data.flatMap((frame) => frame.fields)) {
    field.config.custom = { ...panel.fieldConfig.defaults.custom, ...field.config.custom };
  }
  return data;
}
