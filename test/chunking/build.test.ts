import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const compiler = join(root, 'node_modules/assemblyscript/bin/asc.js');

/** Compiles a copy of wasm/ in a directory as `npm run build:wasm` does, and returns a module's bytes. */
function build(directory: string, module: string): Buffer {
  mkdirSync(directory, { recursive: true });
  cpSync(join(root, 'wasm'), join(directory, 'wasm'), { recursive: true });
  const files = [`wasm/${module}.ts`, '--outFile', `build/wasm/${module}.wasm`];
  const options = [...files, '--config', 'wasm/asconfig.json', '--target', 'release'];
  execFileSync(process.execPath, [compiler, ...options], { cwd: directory, stdio: 'pipe' });
  return readFileSync(join(directory, `build/wasm/${module}.wasm`));
}

for (const module of ['fastcdc', 'reed-solomon'])
  test(`${module}: the same source gives the same module, wherever it is compiled`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'varve-build-'));
    try {
      // build/wasm was compiled in the root directory.
      const other = build(join(directory, 'quite', 'another'), module);
      assert.ok(other.equals(readFileSync(join(root, `build/wasm/${module}.wasm`))), 'run npm run build:wasm');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
