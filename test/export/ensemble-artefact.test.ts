/** An ensemble is one model: one graph, one artefact, one predictor. */
import { describe, expect, test } from 'vitest';
import { buildArtefact, inferenceGraph } from '../../src/export/artefact.js';
import { Artefact } from '../../src/export/artefact-file.js';
import { interpret } from '../../src/graph/index.js';
import { Ensemble, ensembleParameters, PricePredictor } from '../../src/models/index.js';
import { nativeAvailable } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { loadPredictor } from '../../src/predict/load.js';
import { artefactOptions, rawWindows, SMALL } from './price-predictor-artefact.js';

const BACKENDS = nativeAvailable() ? (['native', 'onnx'] as const) : (['onnx'] as const);

describe.each([
  ['f32', 1e-4],
  ['int8', 0.2],
] as const)('an ensemble of two transformers in %s', (precision, tolerance) => {
  const sizes = [SMALL, { ...SMALL, layers: 1, dModel: 16 }];
  const model = new Ensemble(
    sizes.map((size) => new PricePredictor(size)),
    [
      [0.4, 0.6],
      [0.9, 0.1],
    ],
  );
  const parameters = ensembleParameters(sizes.map((size, m) => initialise(new PricePredictor(size), m)));
  const options = artefactOptions(SMALL, { model, parameters, precision });

  test('is predicted as the float64 definition says, by every backend', async () => {
    const bytes = await buildArtefact(options);
    expect(new Artefact(bytes, 'ensemble.fbk').manifest.model).toMatchObject({
      kind: 'Ensemble',
      options: { model: 'ensemble', 'members.1.dModel': 16, 'weights.0.1': 0.6, steps: 12, features: 5 },
    });
    const windows = rawWindows(20, 12, 5, 4);
    const { graph, state } = inferenceGraph(options, 20);
    const expected = interpret(graph, { inputs: { features: windows }, state: Object.fromEntries(state) }).outputs
      .logits.data;
    for (const backend of BACKENDS) {
      const predictor = await loadPredictor(bytes, { backend });
      const { logits } = await predictor.predict(windows);
      expected.forEach((want, i) => void expect(Math.abs(logits[i] - want), backend).toBeLessThan(tolerance));
      await predictor.dispose();
    }
  });
});
