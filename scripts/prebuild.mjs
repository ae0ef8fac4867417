// npm run prebuild: builds the native core and puts it, stripped, where the package ships it:
// prebuilds/<platform>-<arch>[-musl]/flashbook.node. Then loads that very file and says what it needs.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const { header } = process.report.getReport();
const musl = process.platform === 'linux' && header.glibcVersionRuntime === undefined;
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}${musl ? '-musl' : ''}`);
const target = join(folder, 'flashbook.node');

execFileSync('npm', ['run', '--silent', 'build:native'], { cwd: root, stdio: 'inherit' });
mkdirSync(folder, { recursive: true });
copyFileSync(join(root, 'build', 'Release', 'flashbook.node'), `${target}.part`);
const flags = process.platform === 'darwin' ? ['-x'] : ['--strip-unneeded'];
execFileSync('strip', [...flags, `${target}.part`]);
renameSync(`${target}.part`, target);

const script = `process.stdout.write(JSON.stringify(require(${JSON.stringify(target)}).runtimeInfo()))`;
const loaded = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
if (loaded.status !== 0) {
  console.error(`${target} does not load: ${loaded.stderr}`);
  process.exit(1);
}
const { version, available } = JSON.parse(loaded.stdout);
const size = (statSync(target).size / 2 ** 20).toFixed(1);
console.log(`${relative(root, target)}: flashbook ${version}, ${size} MiB, here with ${available.join(', ')}`);
if (process.platform === 'linux' && !musl) console.log(`needs glibc ${newestGlibc(target)} or later`);

/** The newest version of glibc of which the file uses a symbol. */
function newestGlibc(file) {
  const symbols = execFileSync('objdump', ['-T', file], { encoding: 'utf8' });
  const versions = [...symbols.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  versions.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return versions.at(-1)?.join('.') ?? 'any';
}
