// Builds varve beside build/, then exchanges the two directories. A varve that starts or runs during that finds all its files:
// each build has its program in a directory of its own, and the next builds keep it.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { rolldown } from 'rolldown';
import { keepEarlier, putInPlace } from './put-in-place.mjs';

/** Packages with native code stay packages. */
const NATIVE = [/^koffi$/, /^@cloudpss\/zstd/];
const WASM = ['fastcdc', 'reed-solomon'];

/** commander loads this for commands that are programs of their own, of which varve has none; it takes 5 ms. */
const noChildProcess = {
  name: 'no-child-process',
  resolveId: (source, importer) =>
    source === 'node:child_process' && importer?.includes('/commander/') ? '\0nothing' : null,
  load: (id) => (id === '\0nothing' ? 'export default undefined;' : null),
};

process.chdir(new URL('..', import.meta.url).pathname);
const fresh = `build.${process.pid}`;
process.on('exit', () => rmSync(fresh, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

for (const name of WASM) {
  const target = `${fresh}/wasm/${name}.wasm`;
  run('asc', `wasm/${name}.ts`, '--outFile', target, '--config', 'wasm/asconfig.json', '--target', 'release');
}
run('tsc', '-p', 'tsconfig.json', '--outDir', fresh, '--tsBuildInfoFile', `${fresh}/.tsbuildinfo`);
chmodSync(`${fresh}/src/cli/main.js`, 0o755);
await bundle(new Date().toISOString().replace(/\W/g, ''));
putInPlace(fresh, 'build');

function run(command, ...args) {
  const { status, error } = spawnSync(`node_modules/.bin/${command}`, args, { stdio: 'inherit' });
  if (status !== 0) throw error ?? new Error(`${command} failed`);
}

/** Writes the program of the command line: few files, which load faster than many modules do. */
async function bundle(version) {
  const root = `${fresh}/program/${version}`;
  const bundler = await rolldown({ input: entries(), platform: 'node', external: NATIVE, plugins: [noChildProcess] });
  await bundler.write({
    // As deep as the modules are, which look for ../../wasm.
    dir: `${root}/src/cli`,
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  cpSync(`${fresh}/wasm`, `${root}/wasm`, { recursive: true });
  writeFileSync(`${root}/package.json`, '{ "type": "commonjs" }\n');
  const earlier = keepEarlier('build/program', `${fresh}/program`);
  // A package has the new one alone.
  writeFileSync(`${fresh}/program/.npmignore`, earlier.map((name) => `/${name}/\n`).join(''));
  const start = `#!/usr/bin/env node\nrequire('./program/${version}/src/cli/main.js');\n`;
  writeFileSync(`${fresh}/varve.cjs`, start, { mode: 0o755 });
}

/** The modules that a process or a thread starts with, by their names. */
function entries() {
  const files = readdirSync(`${fresh}/src`, { recursive: true }).filter((path) => path.endsWith('-worker.js'));
  const named = ['cli/main.js', ...files].map((path) => [basename(path, '.js'), `./${fresh}/src/${path}`]);
  return Object.fromEntries(named);
}
