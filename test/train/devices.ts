import { OPERATIONS } from '../../src/graph/index.js';
import { cpu, type Device, nativeAvailable, runtimeInfo } from '../../src/native/index.js';
import { referenceDevice } from './reference-device.js';

/** True where the native core is built, with a kernel for every operation. */
export const nativeTrains =
  nativeAvailable() && [...OPERATIONS.keys()].every((name) => name === 'reshape' || runtimeInfo().steps.includes(name));

type NamedDevice = [name: string, make: () => Device];
const reference: NamedDevice = ['reference', referenceDevice];
const native: NamedDevice = ['native', cpu];

/** Every device that can be tested here. */
export const devices = nativeTrains ? [reference, native] : [reference];
/** The fastest of them, for tests of what does not depend on the device. */
export const fastestDevice = devices[devices.length - 1];
