import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { FILE_MODE, TEMPORARY } from '../layout.js';
import type { Abandoned } from './abandoned.js';
import type { Piece, SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import { StatusError } from './status.js';
import type { Step } from './window.js';

/** A name of its own in a directory. */
export function temporaryIn(directory: string): string {
  return `${directory}/${TEMPORARY}${randomBytes(8).toString('hex')}`;
}

/** The directory that a path is in; "." for a name alone. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash) || '/';
}

/** Gives a temporary file its name, and has the directory synced: at once after the request, as servers do one after the other. */
export type Place = (temporary: string, sync: () => Promise<void>) => Promise<unknown>;

export interface Uploading {
  readonly place: Place;
  /** Told what the server refused before the temporary file is removed: then its disk is still as full as it was. */
  readonly refused: (cause: unknown) => Promise<unknown>;
  readonly abandoned: Abandoned;
}

/** Writes a file under a temporary name, has it on the server's disk where that is offered, and gives it its own name by `place`. */
export async function upload(
  client: SftpClient,
  path: string,
  parts: readonly Uint8Array[],
  { place, refused, abandoned }: Uploading,
): Promise<void> {
  const directory = directoryOf(path);
  const temporary = temporaryIn(directory);
  const synced = new SyncedDirectory(client, directory);
  abandoned.sweep(client);
  try {
    const flags = OPEN.write | OPEN.create | OPEN.exclusive;
    const handle = await client.open(temporary, flags, { mode: FILE_MODE }).catch(async (cause) => {
      // It may be there, and the answer lost.
      if (!(cause instanceof StatusError)) await abandoned.remove(client, temporary);
      throw cause;
    });
    try {
      await client.window.run(writing(client, handle, parts));
      await place(temporary, () => synced.sync());
    } catch (cause) {
      const error = await refused(cause);
      await abandoned.remove(client, temporary);
      throw error;
    }
  } finally {
    synced.close();
  }
}

/** Servers do what concerns one file in the order in which it is asked for: nothing is waited for in between. */
function* writing(client: SftpClient, handle: Buffer, parts: readonly Uint8Array[]): Generator<Step> {
  let open = true;
  try {
    for (const piece of cut(parts, client.writeLength))
      yield { cost: piece.length, run: () => client.write(handle, piece) };
    if (client.offers('fsync')) yield { cost: 0, run: () => client.fsync(handle) };
    open = false;
    yield { cost: 0, run: () => client.close(handle) };
  } finally {
    if (open) client.close(handle).catch(() => undefined);
  }
}

/** Pieces of this length of what the parts are together. */
export function* cut(parts: readonly Uint8Array[], length: number): Generator<Piece> {
  let offset = 0;
  let views: Uint8Array[] = [];
  let filled = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const view = part.subarray(at, at + length - filled);
      views.push(view);
      filled += view.length;
      at += view.length;
      if (filled < length) continue;
      yield { offset, length, views };
      offset += length;
      views = [];
      filled = 0;
    }
  }
  if (filled > 0) yield { offset, length: filled, views };
}

/** Has the names in a directory on the server's disk, where that can be: it is opened beforehand, so that it takes no time of its own. */
export class SyncedDirectory {
  readonly #client: SftpClient;
  readonly #handle: Promise<Buffer | undefined>;

  constructor(client: SftpClient, directory: string) {
    this.#client = client;
    this.#handle = client.offers('fsync')
      ? client.open(directory, OPEN.read).catch(() => undefined)
      : Promise.resolve(undefined);
  }

  /** Some servers and file systems cannot: what is in the file is there nevertheless. */
  async sync(): Promise<void> {
    const handle = await this.#handle;
    if (handle !== undefined) await this.#client.fsync(handle).catch(() => undefined);
  }

  close(): void {
    void this.#handle.then((handle) => handle && this.#client.close(handle)).catch(() => undefined);
  }
}
