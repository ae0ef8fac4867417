import { createRequire } from 'node:module';

/** The version of this package, as artefacts and ONNX files name their producer. */
export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
