import type { TopLevelSpec } from 'vega-lite';

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
