import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FlashbookError } from '../core/errors.js';
import type { Addon } from './addon.js';

/** The folder that holds package.json: two above src/native as above dist/native. */
export const PACKAGE_ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

interface Loaded {
  addon?: Addon;
  path?: string;
  problem?: string;
}

let loaded: Loaded | undefined;

/** The places where the addon may lie, the first that exists wins: a build of this checkout, then the shipped binary. */
export function addonCandidates(): string[] {
  const file = 'flashbook.node';
  const candidates = [join(PACKAGE_ROOT, 'build', 'Release', file)];
  const platform = `${process.platform}-${process.arch}`;
  candidates.push(join(PACKAGE_ROOT, 'prebuilds', isMusl() ? `${platform}-musl` : platform, file));
  return candidates;
}

/** Loads the addon once. FLASHBOOK_NATIVE=off makes it absent; FLASHBOOK_NATIVE=/path/to/flashbook.node names another. */
export function tryLoad(): Loaded {
  loaded ??= load();
  return loaded;
}

/** The addon, or a NATIVE error that says what is missing and what to type. */
export function requireAddon(): Addon {
  const { addon, problem } = tryLoad();
  if (addon === undefined) throw new FlashbookError('NATIVE', problem ?? 'the native core is absent');
  return addon;
}

function load(): Loaded {
  const wanted = process.env.FLASHBOOK_NATIVE;
  if (wanted === 'off') return { problem: 'the native core is switched off by FLASHBOOK_NATIVE=off' };
  const candidates = wanted ? [wanted] : addonCandidates();
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    const platform = `${process.platform}-${process.arch}${isMusl() ? ' (musl)' : ''}`;
    return {
      problem:
        `no native core for ${platform}, Node ${process.versions.node}: looked for ${candidates.join(' and ')}; ` +
        `to build it, type in a checkout: npm ci && npm run build:native (needs cmake and a C++20 compiler)`,
    };
  }
  try {
    const addon = createRequire(import.meta.url)(path) as Addon;
    const { version } = addon.runtimeInfo();
    const expected = packageVersion();
    if (version !== expected) {
      return {
        problem: `${path} was built for flashbook ${version}, this is ${expected}; type: npm run build:native`,
      };
    }
    return { addon, path };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { problem: `${path} cannot be loaded: ${reason}; to build it anew, type: npm run build:native` };
  }
}

function packageVersion(): string {
  return JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).version;
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}
