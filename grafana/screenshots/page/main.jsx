// The dashboard that the address names, on Grafana's grid. Says when all of it is drawn.

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import 'uplot/dist/uPlot.min.css';
import { ThemeContext, createTheme } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { Panel } from './panel.jsx';
import { Prometheus } from './prometheus.js';

// Grafana's own measures.
const COLUMNS = 24;
const CELL_HEIGHT = 30;
const GAP = 8;

const theme = createTheme({ colors: { mode: 'dark' } });

function place({ x, y, w, h }, offset) {
  const column = (window.innerWidth - GAP) / COLUMNS;
  return {
    left: GAP + x * column,
    top: offset + y * (CELL_HEIGHT + GAP),
    width: w * column - GAP,
    height: h * (CELL_HEIGHT + GAP) - GAP,
  };
}

function Dashboard({ title, subtitle, panels }) {
  const header = 56;
  const bottom = Math.max(...panels.map(({ box }) => box.top + box.height)) + header + GAP;
  const text = { color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily };
  return (
    <div style={{ position: 'relative', height: bottom }}>
      <div style={{ ...text, padding: '14px 16px', fontSize: 18, display: 'flex', justifyContent: 'space-between' }}>
        <span style={{ fontWeight: 500 }}>{title}</span>
        <span style={{ fontSize: 13, color: theme.colors.text.secondary }}>{subtitle}</span>
      </div>
      {panels.map(({ panel, frames, box, prometheus }) => (
        <div key={panel.id} style={{ position: 'absolute', left: box.left, top: box.top + header, width: box.width, height: box.height }}>
          {panel.type === 'row' ? (
            <div style={{ ...text, fontSize: 16, fontWeight: 500, lineHeight: `${box.height}px` }}>⌄ {panel.title}</div>
          ) : (
            <Panel {...{ panel, frames, prometheus, theme }} width={box.width} height={box.height} />
          )}
        </div>
      ))}
    </div>
  );
}

async function draw() {
  const address = new URLSearchParams(window.location.search);
  const dashboard = await (await fetch(`/dashboards/${address.get('dashboard')}.json`)).json();
  const [toSeconds, minutes, scrapeSeconds] = ['to', 'minutes', 'scrape'].map((name) => Number(address.get(name)));
  const prometheus = new Prometheus({ fromSeconds: toSeconds - 60 * minutes, toSeconds, scrapeSeconds });
  const panels = await Promise.all(
    dashboard.panels.map(async (panel) => {
      const box = place(panel.gridPos, 0);
      const frames = await Promise.all((panel.targets ?? []).map((target) => prometheus.frames(target, box.width)));
      return { panel, box, prometheus, frames: frames.flat() };
    }),
  );
  document.body.style.background = theme.colors.background.canvas;
  const subtitle = `${minutes} minutes`;
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles hackNoBackdropBlur isExtensionSidebarOpen={false} />
      <Dashboard title={dashboard.title} {...{ subtitle, panels }} />
    </ThemeContext.Provider>,
  );
  await document.fonts.ready;
  // Graphs measure themselves once they are in the page, and draw after that.
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let frames = 0; frames < 20; frames += 1) {
    await frame();
  }
  document.body.dataset.drawn = 'yes';
}

draw().catch((error) => {
  document.body.dataset.drawn = String(error.stack ?? error);
});
