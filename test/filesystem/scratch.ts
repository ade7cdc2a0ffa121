import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A directory of its own for a suite, gone when that ends. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'varve-filesystem-'));
  after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
