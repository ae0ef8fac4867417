// Prints the closing line of the gate from vitest's JSON report: «N passed, N failed, N skipped».
import { readFileSync } from 'node:fs';

const [path, code] = process.argv.slice(2);
let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, numFailedTestSuites: 0 };
try {
  counts = JSON.parse(readFileSync(path, 'utf8'));
} catch (error) {
  console.error(`no test report at ${path}: ${error}`);
}
// A run that failed outside any single test (build, lint, a suite that does not load) counts as one failure.
const failed = counts.numFailedTests || (code === '0' && counts.numPassedTests > 0 ? 0 : 1);
console.log(
  `${counts.numPassedTests} passed, ${failed} failed, ${counts.numPendingTests + counts.numTodoTests} skipped`,
);
process.exitCode = failed === 0 ? 0 : 1;
