import type { Command } from 'commander';
import { VarveError } from '../../../errors/errors.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import { retag, type TagChange } from '../../../retention/tags.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import {
  addSelectionOptions,
  chooseSnapshots,
  collect,
  listedCode,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
  tagsFrom,
} from '../../snapshots/snapshot-selection.js';
import type { Output } from '../../terminal/output.js';
import { counted } from '../../text/units.js';

interface Options extends SelectionOptions {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly set?: readonly string[];
}

const DESCRIPTION = `Change the tags of snapshots. A changed snapshot gets a new id: varve writes a new snapshot with the same time, signed with your key, and then
removes the old one. Needs a manage or full key.`;

const EXAMPLES = `
Examples:
  varve tag --add release,keep 1a2b3c4d
  varve tag --remove test --host web1
  varve tag --set '' latest          remove all tags

Exit codes: 0 done; 1 failed for some or all snapshots; 10 no repository; 12 wrong
password; 130 interrupted.`;

const FAILED = 1;

export function define(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'only these snapshots: ids, prefixes of ids, or latest')
    .addHelpText('after', EXAMPLES);
  command
    .option('--add <tags>', 'add these comma-separated tags (repeatable)', collect)
    .option('--remove <tags>', 'remove these comma-separated tags (repeatable)', collect)
    .option('--set <tags>', "replace all tags with these comma-separated tags (repeatable); '' removes all", collect);
  addSelectionOptions(command, 'changed');
  run(command, session, change);
}

const change: Run<Options> = async (context, ids, options) => {
  const { output, signal } = context;
  const wanted = changeFrom(options);
  const repository = await openFromOptions(context);
  repository.keys.requireRole('manage', 'change tags');
  const list = await readSnapshots(context, repository);
  const chosen = chooseSnapshots(list, ids, selectionFilter(context, options));
  let changed = 0;
  let failed = 0;
  for (const stored of chosen) {
    if (signal.aborted)
      throw new VarveError('interrupted', `interrupted: the tags of ${changed} snapshots are changed`);
    try {
      const newId = await retag(repository, stored, wanted);
      if (newId === undefined) continue;
      changed++;
      reportChange(output, stored, newId);
    } catch (cause) {
      failed++;
      reportFailure(output, stored, VarveError.from(cause));
    }
  }
  if (output.json) output.object({ message_type: 'summary', changed_snapshots: changed });
  else
    output.message(changed === 0 ? 'no snapshots were modified' : `modified tags on ${counted(changed, 'snapshot')}`);
  return failed > 0 ? FAILED : listedCode(list, ids);
};

function changeFrom({ add, remove, set }: Options): TagChange {
  if (set !== undefined && (add !== undefined || remove !== undefined))
    throw new VarveError('usage', '--set and --add/--remove exclude each other');
  if (set !== undefined) return { set: tagsFrom(set) };
  if (add === undefined && remove === undefined)
    throw new VarveError('usage', 'nothing to change: give --add, --remove or --set');
  return { add: tagsFrom(add), remove: tagsFrom(remove) };
}

function reportChange(output: Output, { id }: StoredSnapshot, newId: string): void {
  if (output.json) output.object({ message_type: 'changed', old_snapshot_id: id, new_snapshot_id: newId });
  else output.message(`snapshot ${shortId(id)} is now ${shortId(newId)}`);
}

function reportFailure(output: Output, { id }: StoredSnapshot, { message }: VarveError): void {
  if (output.json) output.errorObject({ message_type: 'error', error: { message }, during: 'tag', item: id });
  else output.error(`error: snapshot ${shortId(id)}: ${message}`);
}
