import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { Command } from 'commander';
import colors from 'picocolors';
import { packageVersion } from '../core/version.js';
import { cudaStatus, nativeAvailable, nativeProblem, type RuntimeInfo, runtimeInfo } from '../native/index.js';
import { terminal } from './terminal.js';

/** One thing that was looked at. */
export interface Finding {
  subject: string;
  state: 'ready' | 'absent' | 'problem';
  /** What was found. */
  found: string;
  /** What to type, where something can be mended. */
  mend?: string;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what this machine offers: instruction sets, threads, CUDA, ONNX Runtime, and what to type to mend it')
    .option('--json', 'print one JSON object')
    .action(async ({ json = false }: { json?: boolean }) => {
      const screen = terminal({ json });
      const findings = await examine();
      for (const { subject, state, found, mend } of findings) {
        const mark = state === 'ready' ? colors.green('✓') : state === 'problem' ? colors.red('✗') : colors.yellow('–');
        screen.line(`${mark} ${subject.padEnd(16)} ${found}`);
        if (mend !== undefined) screen.line(`  ${''.padEnd(16)} ${colors.cyan(mend)}`);
      }
      screen.result({ findings, runtime: nativeAvailable() ? runtimeInfo() : null });
      if (findings.some((f) => f.state === 'problem')) process.exitCode = 1;
    });
}

/** Looks at everything that flashbook can use. */
export async function examine(): Promise<Finding[]> {
  const native = nativeAvailable() ? runtimeInfo() : undefined;
  const onnx = await onnxRuntime();
  return [
    nodeVersion(),
    nativeCore(native),
    ...(native ? [instructionSets(native), threads(native), ...native.problems.map(environmentProblem)] : []),
    cuda(),
    onnx,
    prediction(native !== undefined, onnx.state === 'ready'),
  ];
}

function nodeVersion(): Finding {
  const found = `flashbook ${packageVersion()} on Node ${process.versions.node}, ${process.platform}-${process.arch}`;
  return Number(process.versions.node.split('.')[0]) >= 20
    ? { subject: 'Node', state: 'ready', found }
    : { subject: 'Node', state: 'problem', found, mend: 'install Node 20 or newer' };
}

function nativeCore(info: RuntimeInfo | undefined): Finding {
  if (info !== undefined)
    return { subject: 'native core', state: 'ready', found: `${info.addonPath}, compiler ${info.compiler}` };
  return {
    subject: 'native core',
    state: 'absent',
    found: nativeProblem() ?? 'not found',
    mend: 'in a checkout, with CMake and a C++20 compiler: npm ci && npm run build:native',
  };
}

function instructionSets({ isa, available, cpu }: RuntimeInfo): Finding {
  return {
    subject: 'instruction set',
    state: 'ready',
    found: `${isa} on ${cpu || cpus()[0]?.model}; usable: ${available.join(', ')}`,
  };
}

function threads({ threads: count, threadSource }: RuntimeInfo): Finding {
  return { subject: 'threads', state: 'ready', found: `${count} (${threadSource})` };
}

function environmentProblem(found: string): Finding {
  return { subject: 'environment', state: 'problem', found, mend: 'correct or unset the variable' };
}

function cuda(): Finding {
  const { state, found, mend } = cudaStatus();
  return {
    subject: 'CUDA',
    state: state === 'ready' ? 'ready' : state === 'problem' ? 'problem' : 'absent',
    found: state === 'ready' ? found : `${state}: ${found}`,
    mend,
  };
}

async function onnxRuntime(): Promise<Finding> {
  const subject = 'ONNX Runtime';
  const mend = 'npm install onnxruntime-node';
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
  } catch {
    return { subject, state: 'absent', found: 'the optional package onnxruntime-node is not installed', mend };
  }
  try {
    const { env } = await import('onnxruntime-node');
    return { subject, state: 'ready', found: `onnxruntime-node ${env.versions.node}` };
  } catch (error) {
    return {
      subject,
      state: 'problem',
      found: `onnxruntime-node does not load: ${(error as Error).message.split('\n')[0]}`,
      mend,
    };
  }
}

function prediction(native: boolean, onnx: boolean): Finding {
  const subject = 'prediction';
  if (native) return { subject, state: 'ready', found: `native${onnx ? ', with ONNX Runtime to compare' : ''}` };
  if (onnx)
    return {
      subject,
      state: 'ready',
      found: 'ONNX Runtime, as no native core fits this machine; training needs the native core',
    };
  return {
    subject,
    state: 'problem',
    found: 'neither the native core nor ONNX Runtime can be used',
    mend: 'npm install onnxruntime-node',
  };
}
