import { Buffer } from 'node:buffer';
import type { Command } from 'commander';
import { type ListOptions, listTree } from '../../../browse/list.js';
import { VarveError } from '../../../errors/errors.js';
import type { ContentRef } from '../../../format/content.js';
import { TreeReader } from '../../../repository/reading/tree-reader.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import { type Context, type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import type { LineOptions } from '../../snapshots/node-line.js';
import { makerOf, snapshotJson } from '../../snapshots/snapshot-json.js';
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
import { localTime } from '../../text/time.js';
import { LinePrinter, type ListPrinter, NcduPrinter, type Order, parseOrder, SortedPrinter } from './printers.js';

interface Options extends SelectionOptions, LineOptions {
  readonly recursive?: boolean;
  readonly sort: string;
  readonly reverse?: boolean;
  readonly ncdu?: boolean;
}

const DESCRIPTION = `List the files in a snapshot, or only the entries of the given directories.`;

const EXAMPLES = `
Examples:
  varve ls latest
  varve ls -l latest /etc /home/anna
  varve ls --json 1a2b3c4d:/srv --recursive /www
  varve ls -l --sort size --reverse latest
  varve ls --ncdu latest | ncdu -f -

Exit codes: 0 listed, even if the given directories do not exist; 1 failed; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .argument('[snapshot[:subdirectory]]', 'latest, an id, or a prefix of an id')
    .argument('[directories...]', 'list only these directories and files');
  command
    .option('-l, --long', 'show mode, owner, size and time')
    .option('--recursive', 'include subdirectories of the given directories')
    .option('--human-readable', 'show sizes in KiB, MiB and so on')
    .option('-s, --sort <order>', 'sort by name, size, time (same as mtime), atime, ctime or extension', 'name')
    .option('--reverse', 'reverse the order')
    .option('--ncdu', 'print JSON for ncdu: varve ls --ncdu latest | ncdu -f -');
  addSelectionOptions(command, 'used for latest');
  addTimeOption(command);
  run(command, session, list);
}

const list: Run<Options> = async (context, args, options) => {
  const order = parseOrder(options.sort);
  refuseContradictions(context, order, options);
  const name = requiredSnapshot(args, options);
  const directories = args
    .slice(1)
    .map((path) => ['', ...pathNames(path).map((name) => name.toString('latin1')), ''].join('/'));
  const opened = await openFromOptions(context);
  opened.keys.requireRole('manage', 'list files');
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const { stored, subdirectory } = chooseOne(snapshots, name, selectionFilter(context, options));
  const reader = new TreeReader(repository, { signal: context.signal });
  const root = await reader.directory(stored.snapshot.root, subdirectory);
  if (options.ncdu !== true) announce(context, stored);
  const errors = new ReadErrors(context.output, 'ls');
  const printer = printerFor(context, stored, order, options);
  const listing = new Listing(context, reader, printer, errors, { directories, recursive: options.recursive === true });
  await listing.directory(root, Buffer.from('/'));
  printer.end();
  return errors.exitCode;
};

function refuseContradictions({ output }: Context, order: Order, { ncdu, reverse }: Options): void {
  if (ncdu !== true) return;
  if (output.json) throw new VarveError('usage', '--ncdu and --json exclude each other');
  if (order !== 'name' || reverse === true)
    throw new VarveError('usage', '--ncdu has an order of its own: --sort and --reverse cannot be given with it');
}

function printerFor({ output }: Context, stored: StoredSnapshot, order: Order, options: Options): ListPrinter {
  if (options.ncdu === true) return new NcduPrinter(output, stored);
  const reverse = options.reverse === true;
  return order === 'name' && !reverse
    ? new LinePrinter(output, options)
    : new SortedPrinter(output, options, order, reverse);
}

function announce({ output }: Context, stored: StoredSnapshot): void {
  const { snapshot, id } = stored;
  if (output.json) {
    output.object({ message_type: 'snapshot', ...snapshotJson(stored), struct_type: 'snapshot' });
    return;
  }
  const paths = snapshot.paths.map(printable).join(', ');
  output.message(`snapshot ${shortId(id)} of [${paths}] at ${localTime(snapshot.time)} by ${makerOf(snapshot)}:`);
}

interface Wanted {
  /** The directories to list, as latin1 with a slash at the end; empty for all. */
  readonly directories: readonly string[];
  /** Whether to list their subdirectories too. */
  readonly recursive: boolean;
}

/** Walks a snapshot as restic does: each entry comes once, in tree order. */
class Listing {
  readonly #context: Context;
  readonly #reader: TreeReader;
  readonly #printer: ListPrinter;
  readonly #errors: ReadErrors;
  readonly #wanted: Wanted;

  constructor(context: Context, reader: TreeReader, printer: ListPrinter, errors: ReadErrors, wanted: Wanted) {
    this.#context = context;
    this.#reader = reader;
    this.#printer = printer;
    this.#errors = errors;
    this.#wanted = wanted;
  }

  async directory(content: ContentRef, path: Buffer): Promise<void> {
    const { directories, recursive } = this.#wanted;
    if (directories.length === 0) return this.#all(content, path);
    for await (const { path: child, entry } of listTree(this.#reader, content, path, this.#reading(false))) {
      const name = `${child.toString('latin1')}/`;
      const isWanted = directories.some((directory) => name.startsWith(directory));
      const isOnTheWay = directories.some((directory) => directory.startsWith(name));
      const below = entry.type === 'directory' ? entry.content : undefined;
      const own = below && { ...below, ids: Buffer.from(below.ids) };
      if (isWanted) this.#printer.entry(child, entry);
      else if (isOnTheWay) this.#printer.above(child, entry);
      if (own !== undefined && isWanted && recursive) await this.#all(own, child);
      else if (own !== undefined && isOnTheWay) await this.directory(own, child);
    }
  }

  async #all(content: ContentRef, path: Buffer): Promise<void> {
    for await (const listed of listTree(this.#reader, content, path, this.#reading(true)))
      this.#printer.entry(listed.path, listed.entry);
  }

  /** Reports an unreadable directory as an error and lists the rest. */
  #reading(recursive: boolean): ListOptions {
    const onError = (error: VarveError): void => this.#errors.report(error);
    return { recursive, signal: this.#context.signal, onBad: onError, onBroken: onError };
  }
}
