import { beforeAll, describe, expect, test } from 'vitest';
import { buildArtefact } from '../../src/export/artefact.js';
import { Artefact } from '../../src/export/artefact-file.js';
import { nativeAvailable } from '../../src/native/index.js';
import { loadPredictor } from '../../src/predict/load.js';
import type { NativePredictor } from '../../src/predict/native-predictor.js';
import { artefactOptions, rawWindows } from '../export/price-predictor-artefact.js';

/** One wide layer: enough work and memory to be seen. */
const SIZE = { steps: 100, features: 6, dModel: 128, layers: 1, feedForward: 1024 };

describe.each(nativeAvailable() ? (['native', 'onnx'] as const) : (['onnx'] as const))(
  'a loaded %s predictor',
  (backend) => {
    let bytes: Uint8Array;
    beforeAll(async () => {
      bytes = await buildArtefact(artefactOptions(SIZE));
    });

    test('lets the event loop turn while it predicts', async () => {
      const predictor = await loadPredictor(bytes, { backend });
      const windows = rawWindows(256, 100, 6);
      await predictor.predict(windows);
      let turns = 0;
      let handle = setImmediate(function count() {
        turns++;
        handle = setImmediate(count);
      });
      await predictor.predict(windows);
      clearImmediate(handle);
      // Blocked, there would be one or two turns; a run takes tens of milliseconds, a turn some microseconds.
      expect(turns).toBeGreaterThan(50);
      await predictor.dispose();
    });

    if (backend === 'native')
      test('holds its weights once, and little besides', async () => {
        for (const precision of ['f32', 'int8'] as const) {
          const artefact = await buildArtefact({ ...artefactOptions(SIZE), precision });
          let weights = 0;
          for (const { data } of new Artefact(artefact, 'a test').weights().values()) weights += data.byteLength;
          using predictor = (await loadPredictor(artefact, { backend })) as NativePredictor;
          const { weightBytes, packedBytes, workspaceBytes } = predictor.memory();
          // Panels end in padding, and those of int8 may be wider than a byte an element.
          if (packedBytes > 0)
            expect(weightBytes + packedBytes, precision).toBeLessThan((precision === 'f32' ? 1.2 : 3) * weights);
          expect(weightBytes + packedBytes + workspaceBytes - weights, precision).toBeLessThan(2 * 2 ** 20);
        }
      });

    test('gives all its memory back', async () => {
      const once = async () => {
        const predictor = await loadPredictor(bytes, { backend });
        predictor.predictSync(rawWindows(33, 100, 6));
        await predictor.predict(rawWindows(3, 100, 6));
        await predictor.dispose();
      };
      for (let i = 0; i < 5; i++) await once();
      globalThis.gc?.();
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 15; i++) await once();
      globalThis.gc?.();
      const grown = (process.memoryUsage().rss - before) / 2 ** 20;
      // A predictor holds about 20 MiB: were one in three kept, this would be 100 MiB.
      expect(grown).toBeLessThan(80);
    });
  },
);
