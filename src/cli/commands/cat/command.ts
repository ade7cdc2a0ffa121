import { Buffer } from 'node:buffer';
import { listTree } from '../../../browse/list.js';
import { blobsOf, findObject, kindName, readIndexObject, readLeaseObject, readPack } from '../../../browse/objects.js';
import { toHex } from '../../../bytes/hex.js';
import { VarveError } from '../../../errors/errors.js';
import { FORMAT_VERSION, type Sizes } from '../../../format/config.js';
import { type ContentRef, DATA } from '../../../format/content.js';
import type { PackRecord } from '../../../format/pack-record.js';
import type { IndexedRepository } from '../../../repository/index/index-store.js';
import { findKeySlot } from '../../../repository/keys/key-slots.js';
import { TreeReader } from '../../../repository/reading/tree-reader.js';
import type { Repository } from '../../../repository/repository.js';
import { findSnapshot } from '../../../repository/snapshots/snapshots.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { nodeJson } from '../../snapshots/node-json.js';
import { snapshotJson } from '../../snapshots/snapshot-json.js';
import { chooseOne, readIndex, readSnapshots } from '../../snapshots/snapshot-selection.js';
import { rfc3339 } from '../../text/time.js';

type Cat = (context: Context, repository: Repository, id: string) => Promise<void>;

const KINDS: Record<string, Cat> = {
  config: catConfig,
  snapshot: catSnapshot,
  index: catIndex,
  key: catKey,
  lock: catLock,
  tree: catTree,
  blob: catBlob,
  pack: catPack,
};

export async function catCommand(context: Context, [kind = '', id]: readonly string[]): Promise<number> {
  if (kind === 'masterkey') {
    throw new VarveError(
      'usage',
      'varve does not print the master secrets, because they decrypt everything for good; `varve key add` makes another key',
    );
  }
  const cat = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (cat === undefined) throw new VarveError('usage', `which kind of object? One of ${Object.keys(KINDS).join(', ')}`);
  if (id === undefined && kind !== 'config') throw new VarveError('usage', `the id of the ${kind} is missing`);
  await cat(context, await openFromOptions(context), id ?? '');
  return 0;
}

/** With line breaks for people, compact for programs. */
function print({ output }: Context, value: unknown): void {
  output.print(output.json ? JSON.stringify(value) : JSON.stringify(value, undefined, 2));
}

async function catConfig(context: Context, { config }: Repository): Promise<void> {
  const sizes = ({ min, average, max }: Sizes): object => ({ min, average, max });
  print(context, {
    version: FORMAT_VERSION,
    id: toHex(config.repository),
    // Programs that read restic's output expect a text here. varve uses FastCDC with a secret gear table.
    chunker_polynomial: 'fastcdc',
    created: rfc3339(config.created),
    data_chunks: sizes(config.data),
    tree_chunks: sizes(config.tree),
    parity_percent: config.parity,
  });
}

async function catSnapshot(context: Context, repository: Repository, id: string): Promise<void> {
  const stored = findSnapshot(await readSnapshots(context, repository), id);
  print(context, { ...snapshotJson(stored), key: stored.slot, signed_by: stored.label });
}

async function catIndex(context: Context, repository: Repository, id: string): Promise<void> {
  const { name } = await findObject(repository, 'index', id);
  const { index, signedBy } = await readIndexObject(repository, name);
  print(context, {
    time: rfc3339(index.time),
    signed_by: signedBy,
    supersedes: index.replaces.map(toHex),
    condemned: index.condemned.map(({ pack, time }) => ({ id: toHex(pack), time: rfc3339(time) })),
    packs: index.packs.map((pack) => ({ id: toHex(pack.name), size: pack.size, ...packJson(pack.record) })),
  });
}

function packJson(record: PackRecord): object {
  const blobs = [...blobsOf(record)].map(({ id, kind, length, frame }) => ({
    id: toHex(id),
    type: kindName(kind),
    length,
    frame: { offset: frame.offset, length: frame.storedLength, uncompressed_length: frame.rawLength },
  }));
  return { blobs };
}

async function catKey(context: Context, repository: Repository, id: string): Promise<void> {
  const { user, host, created, ...slot } = await findKeySlot(repository, id);
  print(context, { created: rfc3339({ seconds: created, nanoseconds: 0 }), username: user, hostname: host, ...slot });
}

async function catLock(context: Context, repository: Repository, id: string): Promise<void> {
  const { name } = await findObject(repository, 'locks', id);
  const { time, operation, host, user, pid } = await readLeaseObject(repository, name);
  print(context, { time: rfc3339(time), exclusive: false, hostname: host, username: user, pid, operation });
}

async function catTree(context: Context, repository: Repository, text: string): Promise<void> {
  repository.keys.requireRole('manage', 'list files');
  const indexed = await readIndex(context, repository);
  const reader = new TreeReader(indexed, { signal: context.signal });
  const content = treeBlob(indexed, text) ?? (await treeOfSnapshot(context, repository, reader, text));
  const nodes: string[] = [];
  for await (const { path, entry } of listTree(reader, content, Buffer.from('/'), { recursive: false }))
    nodes.push(nodeJson(path, entry));
  context.output.print(
    context.output.json ? `{"nodes":[${nodes.join(',')}]}` : `{\n  "nodes": [\n    ${nodes.join(',\n    ')}\n  ]\n}`,
  );
}

/** The id of a tree in a single blob is the id of that blob. */
function treeBlob({ index }: IndexedRepository, text: string): ContentRef | undefined {
  if (!/^[0-9a-f]{64}$/.test(text)) return undefined;
  const ids = Buffer.from(text, 'hex');
  const blob = index.find(ids);
  return { size: blob < 0 ? 0 : index.lengthOf(blob), depth: 0, ids };
}

async function treeOfSnapshot(
  context: Context,
  repository: Repository,
  reader: TreeReader,
  text: string,
): Promise<ContentRef> {
  const { stored, subdirectory } = chooseOne(await readSnapshots(context, repository), text, {});
  return reader.directory(stored.snapshot.root, subdirectory);
}

async function catBlob(context: Context, repository: Repository, text: string): Promise<void> {
  const id = /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : undefined;
  if (id === undefined)
    throw new VarveError(
      'usage',
      `blob "${text}": all 64 digits of the id are needed; \`varve list blobs\` lists them`,
    );
  const indexed = await readIndex(context, repository);
  const blob = indexed.index.find(id);
  if (blob < 0) throw new VarveError('not-found', `blob ${text}: not in the repository`);
  const reader = new TreeReader(indexed, { signal: context.signal });
  const { pack, length } = indexed.index.locate(blob);
  if (indexed.index.packKind(pack) !== DATA) return context.output.bytes(await reader.blob(id));
  repository.keys.requireRole('full', 'read the contents of files');
  for await (const bytes of reader.content({ size: length, depth: 0, ids: id })) await context.output.bytes(bytes);
}

async function catPack(context: Context, repository: Repository, id: string): Promise<void> {
  const { name, size } = await findObject(repository, 'data', id);
  if (context.output.json) print(context, { id: name, size, ...packJson(await readPack(repository, name, size)) });
  else await context.output.bytes(await repository.store.get('data', name));
}
