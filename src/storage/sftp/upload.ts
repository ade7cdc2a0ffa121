// Writes a file durably under a temporary name, then gives it its name.
// sftp-store.ts decides on names.
import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { FILE_MODE, TEMPORARY } from '../layout.js';
import type { Abandoned } from './abandoned.js';
import type { Piece, SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import { StatusError } from './status.js';
import type { Step } from './window.js';

/** A unique temporary name in a directory. */
export function temporaryIn(directory: string): string {
  return `${directory}/${TEMPORARY}${randomBytes(8).toString('hex')}`;
}

/** The directory of a path; "." for a plain name. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash) || '/';
}

/** Gives a temporary file its name and syncs the directory, without waiting in between because servers work in order. */
export type GiveName = (temporary: string, sync: () => Promise<void>) => Promise<unknown>;

export interface Uploading {
  readonly giveName: GiveName;
  /** Called for a refusal before the temporary file is removed, while the disk is still as full. */
  readonly refused: (cause: unknown) => Promise<unknown>;
  readonly abandoned: Abandoned;
}

/** Writes a temporary file, syncs it where the server can, and gives it its name by `giveName`. */
export async function upload(
  client: SftpClient,
  path: string,
  parts: readonly Uint8Array[],
  { giveName, refused, abandoned }: Uploading,
): Promise<void> {
  const directory = directoryOf(path);
  const temporary = temporaryIn(directory);
  const synced = new SyncedDirectory(client, directory);
  abandoned.sweep(client);
  try {
    const flags = OPEN.write | OPEN.create | OPEN.exclusive;
    const handle = await client.open(temporary, flags, { mode: FILE_MODE }).catch(async (cause) => {
      // The file may exist, when only the answer was lost.
      if (!(cause instanceof StatusError)) await abandoned.remove(client, temporary);
      throw cause;
    });
    try {
      await client.window.run(writing(client, handle, parts));
      await giveName(temporary, () => synced.sync());
    } catch (cause) {
      const error = await refused(cause);
      await abandoned.remove(client, temporary);
      throw error;
    }
  } finally {
    synced.close();
  }
}

/** Sends all requests without waiting in between, because servers handle requests for one file in order. */
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

/** Cuts the joined parts into pieces of this length. */
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

/** Syncs the names in a directory where the server can. It opens the directory ahead, so that the sync costs no extra round trip. */
export class SyncedDirectory {
  readonly #client: SftpClient;
  readonly #handle: Promise<Buffer | undefined>;

  constructor(client: SftpClient, directory: string) {
    this.#client = client;
    this.#handle = client.offers('fsync')
      ? client.open(directory, OPEN.read).catch(() => undefined)
      : Promise.resolve(undefined);
  }

  /** Some servers and file systems cannot; the file itself is synced nevertheless. */
  async sync(): Promise<void> {
    const handle = await this.#handle;
    if (handle !== undefined) await this.#client.fsync(handle).catch(() => undefined);
  }

  close(): void {
    void this.#handle.then((handle) => handle && this.#client.close(handle)).catch(() => undefined);
  }
}
