import type { TopLevelSpec } from 'vega-lite';
import { type Chart, INK } from './charts.js';

/**
 * Renders a vega-lite specification to an SVG document, without a browser.
 * The chart libraries are loaded on first use: a service that only predicts never pays for them.
 */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(lite.compile(spec).spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A chart as a picture that stands alone: with its title, and how to read it, above. */
export async function renderPicture({ title, caption, spec }: Chart): Promise<string> {
  const subtitle = { subtitle: caption, subtitleColor: INK, subtitlePadding: 4 };
  const heading = { text: title, ...subtitle, color: INK, fontSize: 14, anchor: 'start', offset: 12 };
  return renderSvg({ ...spec, title: heading, padding: 12 } as TopLevelSpec);
}
