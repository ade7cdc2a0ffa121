// Backs up and restores random files, and compares what came back.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { BackupEvent } from '../../src/backup/options.js';
import { listTree } from '../../src/browse/list.js';
import { tarHeader } from '../../src/browse/tar.js';
import { check } from '../../src/check/check.js';
import { nodeJson } from '../../src/cli/snapshots/node-json.js';
import { nodeLine } from '../../src/cli/snapshots/node-line.js';
import { type ContentRef, sameReference } from '../../src/format/content.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { Sandbox } from '../backup/sandbox.js';
import { anyCase, type Case, decorate, make } from './cases.js';
import { type Image, imageOf } from './image.js';

/** Files that are made before a backup. */
const PER_ROUND = 500;
const PER_DIRECTORY = 50;

export interface Sums {
  cases: number;
  /** Files that were longer than a repository holds, and were reported. */
  clamped: number;
  backups: number;
  restores: number;
}

/** @param disk a directory of the file system that is tried */
export async function valueRounds(disk: string, cases: number, seed: number): Promise<Sums> {
  const sums: Sums = { cases: 0, clamped: 0, backups: 0, restores: 0 };
  for (let round = 0; sums.cases < cases; round++) {
    const count = Math.min(PER_ROUND, cases - sums.cases);
    const directory = join(disk, `round ${round}`);
    try {
      await oneRound(directory, fc.sample(anyCase, { numRuns: count, seed: seed + round }), sums);
    } catch (cause) {
      throw new Error(`seed ${seed + round}, ${count} cases: ${cause instanceof Error ? cause.stack : cause}`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    sums.cases += count;
  }
  return sums;
}

async function oneRound(directory: string, cases: readonly Case[], sums: Sums): Promise<void> {
  const sandbox = await Sandbox.create(directory);
  const made = makeAll(sandbox.source, cases);
  await backUpAndRestore(sandbox, undefined, sums);
  // Every tenth gets other times and another owner: the rest is the parent snapshot's.
  for (const [at, [path, each]] of made.entries())
    if (at % 10 === 0) decorate(path, (cases[(at + 1) % cases.length] ?? each).type === each.type ? other(each) : each);
  await backUpAndRestore(sandbox, 'latest', sums);
  const { findings } = await check(await sandbox.open());
  assert.deepEqual(
    findings.map(({ message }) => message),
    [],
  );
}

const other = (each: Case): Case => ({ ...each, mtime: each.atime, uid: each.gid, mode: each.mode ^ 0o111 });

/** @returns those that could be made */
function makeAll(source: string, cases: readonly Case[]): [Buffer, Case][] {
  const made: [Buffer, Case][] = [];
  let first: Buffer | undefined;
  for (const [at, each] of cases.entries()) {
    const directory = join(source, `folder ${Math.floor(at / PER_DIRECTORY)}`);
    mkdirSync(directory, { recursive: true });
    const path = Buffer.concat([Buffer.from(`${directory}/`), each.name]);
    try {
      make(path, each, first);
      made.push([path, each]);
    } catch {
      // The file system has it already, or has no such thing.
    }
    if (each.type === 'file' && first === undefined) first = path;
  }
  return made;
}

async function backUpAndRestore(sandbox: Sandbox, parent: 'latest' | undefined, sums: Sums): Promise<void> {
  const source = imageOf(sandbox.source);
  const { snapshot, events, summary } = await sandbox.backup({ parent });
  sums.backups++;
  sums.clamped += source.tooLong.size;
  assert.deepEqual(reported(events, sandbox.source), [...source.tooLong].sort());
  assert.ok((await sandbox.snapshots()).some(({ snapshot: { root } }) => sameReference(root, snapshot.root)));
  if (parent !== undefined) assert.ok(summary.files_unmodified > 0, 'the parent snapshot is not used');
  const { target, events: told } = await sandbox.restoreSource(snapshot.root);
  sums.restores++;
  assert.deepEqual(
    told.filter(({ kind }) => kind !== 'item').map((event) => JSON.stringify(event)),
    [],
  );
  assertSame(imageOf(target), source);
  rmSync(target, { recursive: true, force: true });
  await showAll(sandbox, snapshot.root);
}

/** Paths of files that a backup says are too long; no other event may come. */
function reported(events: readonly BackupEvent[], source: string): string[] {
  return events
    .filter(({ kind }) => kind !== 'item')
    .map((event) => {
      assert.ok(
        event.kind === 'error' && /larger than a repository can hold/.test(event.message),
        JSON.stringify(event),
      );
      return event.path.toString('latin1').slice(source.length + 1);
    })
    .sort();
}

function assertSame(found: Image, wanted: Image): void {
  for (const [path, line] of wanted.lines) assert.equal(found.lines.get(path), line, JSON.stringify(path));
  assert.equal(found.lines.size, wanted.lines.size);
}

/** All ways in which an entry is shown. */
async function showAll(sandbox: Sandbox, root: ContentRef): Promise<void> {
  const reader = new TreeReader(await sandbox.indexed());
  for await (const { path, entry } of listTree(reader, root, Buffer.from('/'), { recursive: true })) {
    JSON.parse(nodeJson(path, entry));
    assert.match(nodeLine(path, entry, { long: true }), / \d{4}-\d\d-\d\d \d\d:\d\d:\d\d /);
    if (entry.type !== 'socket') assert.equal(tarHeader(path, entry.entry(), undefined, []).length % 512, 0);
  }
}
