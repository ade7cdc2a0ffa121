import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addSelectionOptions } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Check that the repository is sound: that every snapshot opens and has everything it needs, and that the index, the packs and the keys
are as they should be. For each problem it says which snapshots and files it touches, and what to do. It does not trust the cache, and changes
nothing without --repair.`;

const EXAMPLES = `
Without options the directories of packs are read, not what is in them. --read-data reads all: bytes that
changed on the disk, and data that a stolen key planted. Each week another quarter, so that everything is read
once a month (a crontab line; in a shell write % for \\%):
  30 4 * * 0  varve check --quiet --read-data-subset "$(( $(date +\\%s) / 604800 \\% 4 + 1 ))/4"

--scrub needs no password: on the machine that holds the repository it compares all objects with their names,
which are hashes of them. It finds what changed, not what is missing, and cannot name files.

--repair reads all packs, and those that are not what their names say it makes whole by their parity (varve init
--parity), if no more is damaged than that covers. The name proves the result: it is what was stored, or nothing
is changed. It says on standard error what it healed. With --scrub it needs no password.

Examples:
  varve check
  varve check --read-data
  varve check --read-data-subset 500M        packs by chance, another choice each time
  varve check --scrub -r /srv/backup
  varve check --repair

Exit codes: 0 all is well, or well again; 1 something is wrong, or it failed; 10 no repository; 12 wrong password; 130
interrupted. Packs that no index lists, as an interrupted backup leaves them, are told but no error.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  addSelectionOptions(command, 'checked, with the packs that they need');
  command
    .option(
      '--read-data',
      'read all packs, and verify every blob (without a full key: file contents by their hashes only)',
    )
    .option(
      '--read-data-subset <subset>',
      'read some packs: the n-th of t parts (n/t), a share (2.5%) or so much (500M)',
    )
    .option('--scrub', 'only compare all objects with the hashes that they are named by; needs no password')
    .option('--repair', 'heal damaged packs by their parity')
    .option('--with-cache', 'accepted for the sake of scripts: nothing that the cache holds is believed');
  run(command, shell, async (context, _args, options) => {
    const { checkCommand } = await import('./command.js');
    return checkCommand(context, options as Parameters<typeof checkCommand>[1]);
  });
}
