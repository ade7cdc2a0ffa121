import { Buffer } from 'node:buffer';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import type { Snapshot } from '../../src/format/snapshot.js';
import type { IndexedRepository } from '../../src/repository/index/index-store.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { type BufferPool, type PackWriters, packWriters } from '../../src/repository/packs/pack-writer.js';
import type { Repository } from '../../src/repository/repository.js';
import { commitSnapshot, underLease } from '../../src/repository/writing/commit.js';
import { PackSink } from '../../src/repository/writing/pack-sink.js';
import { timeFromMillis } from '../../src/time/time.js';
import type { SharedBuffers } from '../../src/workers/shared-buffers.js';
import type { Process } from './process.js';
import type { Files } from './source.js';
import { encodeFile, refer, storeTree } from './tree.js';

const ATTEMPTS = 3;

/** What a simulated backup needs besides the repository. */
export interface Backing {
  readonly buffers: SharedBuffers;
  readonly files: Files;
  /** The files of a snapshot, by its root. */
  readonly filesOf: (root: ContentRef) => Files | undefined;
  /** Gets the files of a snapshot that may be written from now on. */
  readonly expect: (root: ContentRef, files: Files) => void;
}

/**
 * A backup in the order of `varve backup`, of a few files in memory and without threads: index, orphans, lease, packs, index, check for
 * condemned packs, snapshot.
 */
export async function simulateBackup(process: Process, repository: Repository, backing: Backing): Promise<string> {
  const { repository: indexed } = await loadAndAdopt(repository);
  return underLease(indexed, 'backup', ATTEMPTS, (current) => attempt(process, current, backing));
}

async function attempt(process: Process, repository: IndexedRepository, backing: Backing): Promise<string | undefined> {
  const sink = new PackSink(repository, backing.buffers);
  let root: ContentRef;
  try {
    root = await new Storing(process, repository, backing.buffers, sink).store(backing.files);
    await sink.finish();
  } catch (cause) {
    await sink.salvage().catch(() => undefined);
    throw cause;
  }
  backing.expect(root, backing.files);
  return commitSnapshot(repository, sink, snapshotOf(repository, root));
}

/** Stores the files in one attempt. */
class Storing {
  readonly #process: Process;
  readonly #repository: IndexedRepository;
  readonly #writers: PackWriters;
  readonly #fresh = new Set<string>();

  constructor(process: Process, repository: IndexedRepository, buffers: SharedBuffers, sink: PackSink) {
    this.#process = process;
    this.#repository = repository;
    this.#writers = packWriters({
      signer: repository,
      compression: undefined,
      target: Number.POSITIVE_INFINITY,
      parity: repository.config.parity,
      buffers: notWaiting(buffers),
      emit: (pack) => sink.accept(pack),
    });
  }

  async store(files: Files): Promise<ContentRef> {
    const contents = new Map<string, ContentRef>();
    for (const [path, number] of files) {
      await this.#read(path);
      contents.set(path, this.#blob(DATA, encodeFile(number)));
    }
    const root = storeTree(contents, (bytes) => this.#blob(TREE, bytes));
    for (const writer of Object.values(this.#writers)) writer.finish();
    return root;
  }

  #read(path: string): Promise<void> {
    const { world } = this.#process;
    const after = world.dice.between(0, world.odds.reading);
    return this.#process.step({ what: `read ${path}`, changes: false, after, act: () => undefined });
  }

  /** Stores a blob if it is new. Ends the pack now and then, so that packs stay small. */
  #blob(kind: BlobKind, bytes: Buffer): ContentRef {
    const content = refer(this.#repository.keys, kind, bytes);
    const name = content.ids.toString('latin1');
    if (!this.#fresh.has(name) && !this.#repository.index.has(content.ids)) {
      this.#fresh.add(name);
      this.#writers[kind].addFrame(bytes, content.ids, [bytes.length], false);
      if (this.#process.world.dice.chance(0.35)) this.#writers[kind].finish();
    }
    return content;
  }
}

function notWaiting(buffers: SharedBuffers): BufferPool {
  return {
    acquire: () => {
      const number = buffers.tryAcquire();
      if (number === undefined) throw new Error('too few buffers for this simulation');
      return number;
    },
    bytes: (number) => buffers.bytes(number),
    release: (number) => buffers.release(number),
  };
}

export function snapshotOf(repository: Repository, root: ContentRef): Snapshot {
  return {
    time: timeFromMillis(repository.clock()),
    host: repository.machine.host,
    user: 'anna',
    uid: 0,
    gid: 0,
    paths: [Buffer.from('/')],
    tags: [],
    excludes: [],
    parent: undefined,
    original: undefined,
    root,
    program: 'simulation',
    summary: undefined,
  };
}
