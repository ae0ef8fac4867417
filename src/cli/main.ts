#!/usr/bin/env node
import { program } from './program.js';
import { reportError } from './terminal.js';

// A closed pipe (`flashbook predict … | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program().parseAsync();
} catch (error) {
  // Commander has already said what is wrong with the command line.
  if (isCommanderError(error)) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    reportError(error, { json: process.argv.includes('--json') });
    process.exitCode = exitCode(error);
  }
}

function isCommanderError(error: unknown): error is { exitCode: number; code: string } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

/** 2 for a command line or option that cannot be understood, 130 after an interrupt, 1 for everything else. */
function exitCode(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'OPTION') return 2;
  return code === 'ABORTED' ? 130 : 1;
}
