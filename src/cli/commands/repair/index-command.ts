// The work of `repair index`, and its report.
// The repair itself is in repair/.
import type { RepairIndexEvent, RepairIndexResult } from '../../../repair/options.js';
import { repairIndex } from '../../../repair/repair-index.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import type { Output } from '../../terminal/output.js';
import { counted } from '../../text/units.js';

export interface RepairIndexFlags {
  readonly readAllPacks?: boolean;
  readonly dryRun?: boolean;
}

export async function repairIndexCommand(
  context: Context,
  { readAllPacks = false, dryRun = false }: RepairIndexFlags,
): Promise<number> {
  const { output, signal } = context;
  const repository = await openFromOptions(context);
  const onEvent = (event: RepairIndexEvent): void => printEvent(output, event);
  const result = await repairIndex(repository, { readAllPacks, dryRun, signal, onEvent });
  output.status('');
  if (output.json) output.object(toJson(result, dryRun));
  else summarize(output, result, dryRun);
  return result.damagedPacks.length + result.unreadablePacks.length > 0 ? 1 : 0;
}

function printEvent(output: Output, event: RepairIndexEvent): void {
  switch (event.kind) {
    case 'pack':
      return output.status(() => `directories of packs: ${event.done} / ${event.total}`);
    case 'read':
      return output.status(() => `reading packs, so that backups can rely on them: ${event.done} / ${event.total}`);
    case 'damaged-index':
      return output.message(event.message.replace(/; run `varve check[^`]*`$/, ''));
    case 'missing':
      return output.message(`data/${event.name}: is missing`);
    case 'corrected':
      return output.message(`data/${event.name}: is not as the index says`);
    case 'damaged-pack':
      return printDamage(output, event.name, event.message);
    case 'unreadable-pack':
      return reportFailure(output, event.name, `${event.message}; it may be sound`);
  }
}

function printDamage(output: Output, name: string, message: string): void {
  const reason = message.replace(/; run `varve check[^`]*`$/, '');
  const advice = `; \`varve repair packs ${name}\` saves what can be read of it`;
  reportFailure(output, name, output.json ? reason : `${reason}${advice}`);
}

function reportFailure(output: Output, item: string, message: string): void {
  if (output.json) output.errorObject({ message_type: 'error', error: { message }, during: 'repair index', item });
  else output.error(`error: ${message}`);
}

function summarize(output: Output, result: RepairIndexResult, dryRun: boolean): void {
  const { packs, added, corrected, missing, damagedObjects, replaced } = result;
  const parts = [
    ...(damagedObjects > 0 ? [`${counted(damagedObjects, 'index object')} damaged`] : []),
    ...(added > 0 ? [`${counted(added, 'pack')} that no index object lists`] : []),
    ...(corrected > 0 ? [`${counted(corrected, 'pack')} not as the index said`] : []),
    ...(missing > 0 ? [`${counted(missing, 'pack')} gone`] : []),
  ];
  const found = parts.length > 0 ? parts.join(', ') : 'nothing wrong with the index';
  output.message(`${counted(packs, 'pack')}: ${found}`);
  if (result.unreadablePacks.length > 0)
    output.error(
      `nothing was changed, as ${counted(result.unreadablePacks.length, 'pack')} could not be read: make them readable, and run it again`,
    );
  else if (replaced.length === 0 && added === 0) output.message('the index is as it should be');
  else if (dryRun)
    output.message(`a dry run: nothing was changed; it would replace ${counted(replaced.length, 'index object')}`);
  else output.message(`rebuilt the index: ${counted(result.written.length, 'object')} instead of ${replaced.length}`);
  if (result.vouched > 0) output.message(`read ${counted(result.vouched, 'pack')}: backups can rely on them`);
  if (result.unvouched > 0)
    output.message(
      `backups do not rely on ${counted(result.unvouched, 'pack')}: \`varve check --read-data\` with a full key reads them`,
    );
  if (missing > 0)
    output.message(
      'a backup stores again what it still finds; then `varve check` says which files are lost in snapshots',
    );
}

function toJson(result: RepairIndexResult, dryRun: boolean): Record<string, unknown> {
  const { packs, added, corrected, missing, damagedPacks, unreadablePacks, damagedObjects, replaced, written } = result;
  const { vouched, unvouched } = result;
  return {
    message_type: 'summary',
    dry_run: dryRun,
    packs,
    packs_added: added,
    packs_corrected: corrected,
    packs_missing: missing,
    damaged_packs: damagedPacks,
    unreadable_packs: unreadablePacks,
    damaged_index_objects: damagedObjects,
    replaced,
    written,
    ...(vouched + unvouched > 0 && { vouched_packs: vouched, unvouched_packs: unvouched }),
  };
}
