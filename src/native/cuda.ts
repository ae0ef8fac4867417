/** Finds the CUDA addon and what the machine offers it: a driver, a device, and kernels for that device. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FlashbookError, invalid } from '../core/errors.js';
import { packageVersion } from '../core/version.js';
import type { EngineAddon } from './addon.js';
import { AddonDevice, type CudaArchitecture, cpu, type Device } from './device.js';
import { PACKAGE_ROOT } from './load.js';

/** A GPU as the driver tells it. */
export interface CudaDeviceInfo {
  name: string;
  /** Compute capability times ten: 80 for an A100. */
  capability: number;
  memoryBytes: number;
  multiprocessors: number;
}

/** The face of the CUDA addon, one to one with cuda/addon. */
export interface CudaAddon extends EngineAddon {
  cudaInfo(): {
    version: string;
    /** As CUDA counts: 13000 is CUDA 13.0; 0 without a driver. */
    driverVersion: number;
    runtimeVersion: number;
    devices: CudaDeviceInfo[];
    /** What the runtime said when it was asked for devices; empty when it answered. */
    error: string;
  };
  /** Names of the kernels that a plan may call. */
  stepNames(): string[];
}

export type CudaState =
  | 'ready'
  | 'no driver'
  | 'driver too old'
  | 'no device'
  | 'unsupported'
  | 'not built'
  | 'problem'
  | 'off';

export interface CudaStatus {
  state: CudaState;
  /** One sentence: what was found. */
  found: string;
  /** What to type or do, where something can be mended. */
  mend?: string;
  device?: CudaDeviceInfo;
  addonPath?: string;
}

interface Found extends CudaStatus {
  addon?: CudaAddon;
}

/** The lowest compute capability for which kernels are built, times ten: mma.sync with bf16, ldmatrix and cp.async. */
const LOWEST_CAPABILITY = 80;

const DRIVER_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/lib/wsl/lib',
  '/usr/local/nvidia/lib64',
];

let found: Found | undefined;

/** What this machine offers for CUDA. Nothing of CUDA is loaded where there is no driver. */
export function cudaStatus(): CudaStatus {
  const { addon: _, ...status } = look();
  return status;
}

/** The first CUDA device. @throws FlashbookError NATIVE with what is missing and how to mend it */
export function cuda(): Device {
  const { addon, device, found: what, mend } = look();
  if (addon === undefined || device === undefined) {
    throw new FlashbookError('NATIVE', `there is no CUDA device: ${what}${mend === undefined ? '' : `; ${mend}`}`);
  }
  card ??= new AddonDevice('cuda', addon, `sm_${device.capability}` as CudaArchitecture);
  return card;
}

let card: Device | undefined;

/** Names of devices; 'auto' is CUDA where it is ready, else the processor. */
export type DeviceName = 'auto' | 'cpu' | 'cuda';

/**
 * A device by name.
 *
 * @throws FlashbookError OPTION for another name, NATIVE when the device is not there, with what to do
 */
export function device(name: DeviceName = 'auto'): Device {
  if (name === 'cpu') return cpu();
  if (name === 'cuda') return cuda();
  if (name !== 'auto') throw invalid('device', "'auto', 'cpu' or 'cuda'", name);
  return look().state === 'ready' ? cuda() : cpu();
}

/** What an option `device` names: a device, or its name; the processor when nothing is said. */
export function resolveDevice(wanted: Device | DeviceName = 'cpu'): Device {
  return typeof wanted === 'object' && wanted !== null ? wanted : device(wanted);
}

/** The addon of the device. @throws FlashbookError NATIVE */
export function cudaAddon(): CudaAddon {
  cuda();
  return look().addon as CudaAddon;
}

/** The names of the kernels that a plan for CUDA may call. @throws FlashbookError NATIVE */
export function cudaSteps(): string[] {
  return cudaAddon().stepNames();
}

function look(): Found {
  found ??= search();
  return found;
}

/** FLASHBOOK_CUDA=off makes CUDA absent; FLASHBOOK_CUDA=/path/to/flashbook_cuda.node names an addon, and no driver is looked for. */
function search(): Found {
  const wanted = process.env.FLASHBOOK_CUDA;
  if (wanted === 'off') return { state: 'off', found: 'CUDA is switched off by FLASHBOOK_CUDA=off' };
  if (!wanted && !driverIsThere()) {
    return { state: 'no driver', found: 'no NVIDIA driver (libcuda.so.1) on this machine; everything runs on the CPU' };
  }
  const candidates = wanted ? [wanted] : addonCandidates();
  const addonPath = candidates.find((path) => existsSync(path));
  if (addonPath === undefined) {
    return {
      state: 'not built',
      found: `an NVIDIA driver is there, but no CUDA part of flashbook: looked for ${candidates.join(' and ')}`,
      mend: 'npm install flashbook-cuda, or in a checkout, with nvcc: npm run build:cuda',
    };
  }
  try {
    const addon = createRequire(import.meta.url)(addonPath) as CudaAddon;
    return { ...judge(addon.cudaInfo()), addonPath, addon };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return {
      state: 'problem',
      found: `${addonPath} cannot be loaded: ${reason.split('\n')[0]}`,
      mend: 'npm run build:cuda',
      addonPath,
    };
  }
}

/** What the driver's answer means. */
export function judge(info: ReturnType<CudaAddon['cudaInfo']>): CudaStatus {
  const { version, driverVersion, runtimeVersion, devices, error } = info;
  if (version !== packageVersion()) {
    return {
      state: 'problem',
      found: `the CUDA part was built for flashbook ${version}, this is ${packageVersion()}`,
      mend: `npm install flashbook-cuda@${packageVersion()}, or in a checkout: npm run build:cuda`,
    };
  }
  const cudaVersion = (number: number) => `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;
  if (driverVersion > 0 && driverVersion < Math.floor(runtimeVersion / 1000) * 1000) {
    return {
      state: 'driver too old',
      found: `the NVIDIA driver offers CUDA ${cudaVersion(driverVersion)}, flashbook needs ${cudaVersion(Math.floor(runtimeVersion / 1000) * 1000)}`,
      mend: 'install a newer NVIDIA driver',
    };
  }
  if (driverVersion === 0) {
    return {
      state: 'no driver',
      found: `the NVIDIA driver does not answer${error && `: ${error}`}`,
      mend: 'nvidia-smi',
    };
  }
  if (devices.length === 0) {
    return { state: 'no device', found: `a driver, but no NVIDIA device${error && `: ${error}`}`, mend: 'nvidia-smi' };
  }
  const device = devices[0];
  const capability = `${Math.floor(device.capability / 10)}.${device.capability % 10}`;
  if (device.capability < LOWEST_CAPABILITY) {
    return {
      state: 'unsupported',
      found: `${device.name} has compute capability ${capability}; the kernels need 8.0 (Ampere) or newer`,
    };
  }
  return {
    state: 'ready',
    found: `${device.name}, compute capability ${capability}, ${(device.memoryBytes / 2 ** 30).toFixed(1)} GiB, driver for CUDA ${cudaVersion(driverVersion)}`,
    device,
  };
}

/** A build of this checkout, then the package flashbook-cuda. */
function addonCandidates(): string[] {
  const candidates = [join(PACKAGE_ROOT, 'build', 'cuda', 'Release', 'flashbook_cuda.node')];
  try {
    const manifest = createRequire(import.meta.url).resolve('flashbook-cuda/package.json');
    candidates.push(join(dirname(manifest), `${process.platform}-${process.arch}`, 'flashbook_cuda.node'));
  } catch {
    // the package is not installed
  }
  return candidates;
}

function driverIsThere(): boolean {
  if (process.platform !== 'linux') return false;
  const folders = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== ''),
    ...DRIVER_FOLDERS,
  ];
  return folders.some((folder) => existsSync(join(folder, 'libcuda.so.1')));
}
