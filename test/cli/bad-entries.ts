import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { type ContentRef, TREE } from '../../src/format/content.js';
import { writeEntry } from '../../src/format/entry.js';
import { encodeSnapshot } from '../../src/format/snapshot.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { putSigned } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { Forge } from '../restore/crafted.js';
import { openTestStore } from '../servers/test-place.js';
import type { Playground } from './varve.js';

/** Replaces the encoding of an entry of a directory; what it returns stands in the place of it. */
export type Spoil = (name: string, raw: Buffer) => Buffer;

/** Writes a snapshot just newer than the latest and like it, of which the entries of one directory are spoiled. @param path of the directory */
export async function plantSpoiled(place: Playground, path: string, spoil: Spoil): Promise<void> {
  const repository = await openRepository(await openTestStore(place.path('repo')), {
    unlock: { keyFile: readFileSync(place.path('key')) },
    cacheDirectory: place.path('cache', 'spoiled'),
  });
  const { snapshots } = await listSnapshots(repository);
  const latest = snapshots.at(-1);
  if (latest === undefined) throw new Error('there is no snapshot');
  const reader = new TreeReader(await loadIndex(repository));
  const forge = new Forge(repository);
  const rebuilt = async (content: ContentRef, names: readonly string[]): Promise<ContentRef> => {
    const [next, ...rest] = names;
    const parts: Buffer[] = [];
    for await (const entry of reader.entries(content, '')) {
      const name = entry.name.toString();
      const own = entry.entry();
      if (next === undefined) parts.push(spoil(name, Buffer.from(entry.raw)));
      else if (name !== next || own.content === undefined) parts.push(Buffer.from(entry.raw));
      else {
        const out = new MessagePackWriter();
        writeEntry(out, { ...own, content: await rebuilt(own.content, rest) });
        parts.push(Buffer.from(out.view()));
      }
    }
    return forge.content(Buffer.concat(parts), TREE);
  };
  const { snapshot } = latest;
  const root = await rebuilt(snapshot.root, path.split('/').filter(Boolean));
  await forge.finish();
  // The next backup must be newer, however soon it begins.
  const time = { ...snapshot.time, nanoseconds: snapshot.time.nanoseconds + 1 };
  await putSigned(repository, 'snapshot', encodeSnapshot({ ...snapshot, time, root }));
}
