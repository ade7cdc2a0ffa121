import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type DumpedEntry, dumpEntries, dumpedEntry, dumpFile, type LeftOut, writeTar } from '../../../browse/dump.js';
import { systemReason, VarveError } from '../../../errors/errors.js';
import { TreeReader } from '../../../repository/reading/tree-reader.js';
import { type Context, type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import {
  addSelectionOptions,
  addTimeOption,
  chooseOne,
  pathNames,
  readIndex,
  readSnapshots,
  requiredSnapshot,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';
import { ReadErrors } from '../../terminal/read-errors.js';
import { printable } from '../../text/escape.js';

interface Options extends SelectionOptions {
  readonly archive: string;
  readonly target?: string;
}

const DESCRIPTION = `Write a file of a snapshot to standard output, or a directory as a tar or zip archive.`;

const EXAMPLES = `
Examples:
  varve dump latest /etc/hosts
  varve dump latest /home/anna | tar tv
  varve dump latest:/home/anna / --archive zip --target anna.zip

Exit codes: 0 written; 1 failed, or the file does not exist; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .argument('[snapshot[:subdirectory]]', 'latest, an id, or a prefix of an id')
    .argument('[path]', 'the file or directory');
  command
    .option('-a, --archive <format>', 'format of a directory: tar or zip', 'tar')
    .option('-t, --target <file>', 'write to this file instead of standard output');
  addSelectionOptions(command, 'used for latest');
  addTimeOption(command);
  run(command, session, dump);
}

const dump: Run<Options> = async (context, args, options) => {
  const name = requiredSnapshot(args, options);
  if (args[1] === undefined)
    throw new VarveError('usage', 'the path is missing, for example: varve dump latest /etc/hosts');
  const path = pathNames(args[1]);
  if (options.archive !== 'tar' && options.archive !== 'zip') {
    throw new VarveError('usage', `--archive: "${options.archive}" is neither tar nor zip`);
  }
  const opened = await openFromOptions(context);
  opened.keys.requireRole('full', 'read the contents of files');
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const { stored, subdirectory } = chooseOne(snapshots, name, selectionFilter(context, options));
  const reader = new TreeReader(repository, { signal: context.signal });
  const root = await reader.directory(stored.snapshot.root, subdirectory);
  const errors = new ReadErrors(context.output, 'dump');
  const source = await bytesOf(reader, root, path, options.archive, context, errors);
  if (options.target === undefined) for await (const bytes of source) await context.output.bytes(bytes);
  else await writeTarget(options.target, source);
  return errors.exitCode;
};

async function bytesOf(
  reader: TreeReader,
  root: Parameters<TreeReader['find']>[0],
  names: readonly Buffer[],
  archive: 'tar' | 'zip',
  { signal, output }: Context,
  errors: ReadErrors,
): Promise<AsyncIterable<Buffer>> {
  const entry = names.length === 0 ? undefined : await reader.find(root, names);
  const path = Buffer.from(`/${names.map((name) => name.toString('latin1')).join('/')}`, 'latin1');
  const content = entry === undefined ? root : entry.content;
  if (content === undefined)
    throw new VarveError('usage', `${printable(path)}: is a ${entry?.type}: only files and directories can be dumped`);
  if (entry?.type === 'file') return dumpFile(reader, entry, path);
  const directory = entry && dumpedEntry(reader, path, entry);
  const onBad = (error: VarveError): void => errors.report(error);
  const entries = withDirectory(dumpEntries(reader, content, path, { signal, onBad }), directory);
  const onLeftOut = (left: LeftOut): void => output.warn(leftOut(left, archive));
  if (archive === 'tar') return writeTar(entries, onLeftOut, () => errors.exitCode === 0);
  const { writeZip } = await import('../../../browse/zip.js');
  return writeZip(entries, onLeftOut);
}

function leftOut({ path, attribute, what }: LeftOut, archive: 'tar' | 'zip'): string {
  const name = attribute === undefined ? '' : `attribute ${printable(attribute)}: `;
  return `${printable(path)}: ${name}left out, as a ${archive} archive cannot hold ${what}`;
}

/** The directory itself comes first. */
async function* withDirectory(
  entries: AsyncIterable<DumpedEntry>,
  directory: DumpedEntry | undefined,
): AsyncGenerator<DumpedEntry> {
  if (directory !== undefined) yield directory;
  yield* entries;
}

/** Writes a temporary file and renames it, so that a failure leaves the old file in place. Devices and pipes are written directly. */
async function writeTarget(path: string, source: AsyncIterable<Buffer>): Promise<void> {
  try {
    const there = await stat(path).catch(() => undefined);
    if (there?.isFile() === false) return await writeTo(path, 'w', 0o600, source);
    const target = there === undefined ? path : await realpath(path);
    const partial = join(dirname(target), `.varve-tmp-${randomBytes(8).toString('hex')}`);
    try {
      await writeTo(partial, 'wx', there === undefined ? 0o600 : there.mode & 0o777, source);
      await rename(partial, target);
    } catch (cause) {
      await rm(partial, { force: true });
      throw cause;
    }
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    throw new VarveError('target', `cannot write ${path}: ${systemReason(cause)}`, { cause });
  }
}

async function writeTo(path: string, flags: 'w' | 'wx', mode: number, source: AsyncIterable<Buffer>): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    for await (const bytes of source) await file.writeFile(bytes);
    if (flags === 'wx') await file.sync();
  } finally {
    await file.close();
  }
}
