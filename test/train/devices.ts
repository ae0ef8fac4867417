import { OPERATIONS } from '../../src/graph/index.js';
import { cpu, type Device, nativeAvailable, runtimeInfo } from '../../src/native/index.js';
import { referenceDevice } from './reference-device.js';

/** True where the native core is built, with a kernel for every operation. */
export const nativeTrains =
  nativeAvailable() && [...OPERATIONS.keys()].every((name) => name === 'reshape' || runtimeInfo().steps.includes(name));

/** Devices that can be tested here. */
export const devices: [string, () => Device][] = [['reference', referenceDevice]];
if (nativeTrains) devices.push(['native', cpu]);
