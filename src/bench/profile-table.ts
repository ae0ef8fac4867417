import { bytes, milliseconds, percent } from '../monitor/report/format.js';
import type { Table } from '../monitor/report/tables.js';
import { byKernel, type Profile, type ProfiledStep } from './profile.js';

/** A profile for people: its kernels, and each of its steps, the slowest first. */
export function profileTables(profile: Profile, { top = 40 }: { top?: number } = {}): Table[] {
  const { subject, cpu, isa, threads, batch, peaks, runMs, stepsMs, flops, steps } = profile;
  const rate = (step: ProfiledStep) => (step.flops === 0 ? '–' : `${(step.flops / step.ms / 1e6).toFixed(0)}`);
  const cells = (step: ProfiledStep) => [
    milliseconds(step.ms),
    percent(step.share, 1),
    rate(step),
    step.flops === 0 ? '–' : percent(step.ofPeak, 0),
    step.bytes === 0 ? '–' : step.bandwidth.toFixed(1),
  ];
  const sorted = [...steps].sort((a, b) => b.ms - a.ms).slice(0, top);
  const overall = (100 * flops) / runMs / 1e6 / peaks.f32;
  return [
    {
      title: `${subject}, batch ${batch}, ${threads} thread${threads === 1 ? '' : 's'} of ${cpu}, ${isa}`,
      note:
        `A whole run takes ${milliseconds(runMs)} at its fastest, ${milliseconds(stepsMs)} of them in its ${steps.length} steps: ` +
        `${(flops / 1e6).toFixed(0)} million operations, ${overall.toFixed(0)} % of the float32 peak of ${peaks.f32.toFixed(0)} GFLOP/s. ` +
        `Arena ${bytes(profile.arenaBytes)}, workspace ${bytes(profile.workspaceBytes)}, packed weights ${bytes(profile.packedBytes)}.`,
      head: ['kernel', 'calls', 'precision', 'time', 'share', 'Gop/s', 'of peak', 'GB/s'],
      rows: byKernel(steps, peaks).map((group) => [group.kernel, String(group.calls), group.bound, ...cells(group)]),
    },
    {
      title: sorted.length < steps.length ? `The slowest ${sorted.length} of ${steps.length} steps` : 'Its steps',
      note: "Each step's fastest run; of peak: of its own precision. GB/s: of the bytes that it must read and write at least.",
      head: ['step', 'precision', 'time', 'share', 'Gop/s', 'of peak', 'GB/s'],
      rows: sorted.map((step) => [step.label, step.bound, ...cells(step)]),
    },
  ];
}
