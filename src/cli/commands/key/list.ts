// `key list`, and the JSON of a key that all key commands print.
// Key slots are read in repository/keys/.
import type { Command } from 'commander';
import { type KeySlot, listKeySlots } from '../../../repository/keys/key-slots.js';
import { run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { printable } from '../../text/escape.js';
import { Table } from '../../text/table.js';
import { localTime } from '../../text/time.js';

const SHORT = 8;

export function defineList(command: Command, session: Session): void {
  command.description('List the keys of the repository; a star marks the one in use. Any key can do this.');
  command.addHelpText(
    'after',
    '\nExit codes: 0 listed; 1 failed, or a key could not be read; 10 no repository; 12 wrong password.',
  );
  run(command, session, async (context) => {
    const repository = await openFromOptions(context);
    const { slots, failures } = await listKeySlots(repository);
    for (const { error } of failures) context.output.warn(`a key is skipped: ${error.message}`);
    if (context.output.json) context.output.object(slots.map(keyJson));
    else
      for (const line of keyTable(slots, repository.keys.newestEpoch).lines(undefined, context.output.width))
        context.output.print(line);
    return failures.length > 0 ? 1 : 0;
  });
}

const createdAt = ({ created }: KeySlot): string => localTime({ seconds: created, nanoseconds: 0 });

/**
 * restic's keys first, then varve's own. As in restic, `id` is the name of the object, which changes with each change; `slot` stays the
 * same.
 */
export function keyJson(slot: KeySlot): Record<string, unknown> {
  const { current, id, user, host, hosts, role, epoch, opensWith, name } = slot;
  return {
    current,
    id: name,
    userName: user,
    hostName: host,
    created: createdAt(slot),
    role,
    epoch,
    opensWith,
    slot: id,
    ...(hosts !== undefined && { hosts }),
  };
}

/** The hosts that an append key may back up; of other keys, which may back up any, the machine that they are for. */
function hostsOf({ role, host, hosts }: KeySlot): string {
  if (role !== 'append') return host;
  return hosts === undefined ? `any (${host})` : hosts.join(', ');
}

function keyTable(slots: readonly KeySlot[], epoch: number): Table {
  const table = new Table([' ID', 'User', 'Host', 'Created', 'Role', 'Opens with', '']);
  for (const slot of slots) {
    const { current, name, user, role, opensWith } = slot;
    const note = slot.epoch < epoch ? 'missed a rotation' : '';
    table.add(
      `${current ? '*' : ' '}${name.slice(0, SHORT)}`,
      printable(user),
      printable(hostsOf(slot)),
      createdAt(slot),
      role,
      opensWith,
      note,
    );
  }
  return table;
}
