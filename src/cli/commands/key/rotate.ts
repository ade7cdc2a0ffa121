import type { Command } from 'commander';
import { rotateKeySlots } from '../../../repository/keys/key-slots.js';
import { run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { counted } from '../../text/units.js';
import { keyJson } from './list.js';

const DESCRIPTION = `Give the repository new secrets, sealed to every existing key; passwords stay. New data uses them, so a key that was copied and then removed
cannot read it. Existing data stays as it is. Needs a full key.`;

export function defineRotate(command: Command, session: Session): void {
  command.description(DESCRIPTION);
  command.addHelpText(
    'after',
    '\nExit codes: 0 done; 1 failed, or a key was left out; 10 no repository; 12 wrong password.',
  );
  run(command, session, async (context) => {
    const repository = await openFromOptions(context);
    const { epoch, slots, leftOut, resumed } = await rotateKeySlots(repository);
    const { output } = context;
    for (const { reason } of leftOut) output.warn(reason);
    if (output.json) output.object({ message_type: 'keys_rotated', epoch, keys: slots.map(keyJson) });
    else {
      const how = resumed ? 'finished the rotation that was interrupted' : 'rotated';
      output.prose(`${how}: the secrets of epoch ${epoch} are sealed to ${counted(slots.length, 'key')}`);
    }
    return leftOut.length > 0 ? 1 : 0;
  });
}
