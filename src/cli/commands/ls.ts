import { Buffer } from 'node:buffer';
import type { Command } from 'commander';
import { listTree } from '../../browse/list.js';
import type { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import type { Entry } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { joinPath } from '../../format/path.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots.js';
import { TreeReader } from '../../repository/tree-reader.js';
import { nodeJson } from '../node-json.js';
import { type LineOptions, nodeLine } from '../node-line.js';
import { openFromOptions } from '../open.js';
import { ReadErrors } from '../read-errors.js';
import { type Context, type Run, run, type Shell } from '../shell.js';
import { makerOf, snapshotJson } from '../snapshot-json.js';
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
} from '../snapshot-selection.js';
import { printable } from '../text/escape.js';
import { localTime } from '../text/time.js';

interface Options extends SelectionOptions, LineOptions {
  readonly recursive?: boolean;
}

const DESCRIPTION = `List the files in a snapshot: all of them, or what is directly in the folders given.`;

const EXAMPLES = `
Examples:
  varve ls latest
  varve ls -l latest /etc /home/anna
  varve ls --json 1a2b3c4d:/srv --recursive /www

Exit codes: 0 listed; 1 failed, or there is no such folder; 10 no repository; 12 wrong password.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .argument('[snapshot[:subfolder]]', 'latest, an id, or the beginning of one')
    .argument('[folders...]', 'only these folders and files');
  command
    .option('-l, --long', 'with mode, owner, size and time')
    .option('--recursive', 'with what is in folders below those given')
    .option('--human-readable', 'sizes in KiB, MiB and so on');
  addSelectionOptions(command, 'taken for latest');
  addTimeOption(command);
  run(command, shell, list);
}

const list: Run<Options> = async (context, args, options) => {
  const name = requiredSnapshot(args, options);
  const folders = args.slice(1).map(pathNames);
  const opened = await openFromOptions(context);
  opened.keys.requireRole('manage', 'list files');
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const { stored, subfolder } = chooseOne(snapshots, name, selectionFilter(context, options));
  const reader = new TreeReader(repository, { signal: context.signal });
  const errors = new ReadErrors(context.output, 'ls');
  const listing = new Listing(context, options, reader, await reader.folder(stored.snapshot.root, subfolder), errors);
  announce(context, stored);
  if (folders.length === 0) await listing.list([], true);
  for (const folder of folders) await listing.list(folder, options.recursive === true);
  return errors.exitCode;
};

function announce({ output }: Context, stored: StoredSnapshot): void {
  const { snapshot, id } = stored;
  if (output.json) {
    output.object({ message_type: 'snapshot', ...snapshotJson(stored), struct_type: 'snapshot' });
    return;
  }
  const paths = snapshot.paths.map(printable).join(', ');
  output.message(`snapshot ${shortId(id)} of [${paths}] at ${localTime(snapshot.time)} by ${makerOf(snapshot)}:`);
}

class Listing {
  readonly #context: Context;
  readonly #options: Options;
  readonly #reader: TreeReader;
  readonly #root: ContentRef;
  readonly #errors: ReadErrors;

  constructor(context: Context, options: Options, reader: TreeReader, root: ContentRef, errors: ReadErrors) {
    this.#context = context;
    this.#options = options;
    this.#reader = reader;
    this.#root = root;
    this.#errors = errors;
  }

  /** Lists what is at a path: the file, or the folder and what is in it. */
  async list(names: readonly Buffer[], recursive: boolean): Promise<void> {
    let path: Buffer = Buffer.from('/');
    let content: ContentRef | undefined = this.#root;
    for (const name of names) path = joinPath(path, name);
    if (names.length > 0) {
      const entry = await this.#reader.find(this.#root, names);
      this.#print(path, entry);
      content = entry.type === 'directory' ? entry.content : undefined;
    }
    if (content === undefined) return;
    const { signal } = this.#context;
    const onError = (error: VarveError): void => this.#errors.tell(error);
    const reading = { recursive, signal, onBad: onError, onBroken: onError };
    for await (const listed of listTree(this.#reader, content, path, reading)) this.#print(listed.path, listed.entry);
  }

  #print(path: Buffer, entry: Entry | EntryReader): void {
    const { output } = this.#context;
    if (output.json) output.print(nodeJson(path, entry));
    else output.print(nodeLine(path, entry, this.#options));
  }
}
