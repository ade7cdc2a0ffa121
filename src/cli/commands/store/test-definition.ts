import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';

const DESCRIPTION = `Try whether a place keeps what varve relies on: that objects appear whole or not at all, stay as they are, are listed, and are gone when
they are removed; and how fast it is. It makes a directory of its own there, and removes it in the end. Needs no repository, and no password.`;

const AFTER = `
It takes some 10 to 60 seconds, moves a few hundred MiB, and makes some thousand requests. docs/stores.md tells what it means
when something fails. Not for a place that refuses deletion: what it puts there would stay.

Examples:
  varve store test /mnt/usb
  varve store test s3:https://s3.example.com/bucket
  varve store test rest:https://anna:PASSWORD@host:8000/anna --json

Exit codes: 0 all is well; 1 something is not, or it could not be tried; 130 interrupted.`;

export function defineTest(command: Command, shell: Shell): void {
  command
    .description(DESCRIPTION)
    .argument('<place>', 'where a repository could be, as for --repo')
    .addHelpText('after', AFTER);
  run(command, shell, async (context, [place = '']) => {
    const { storeTestCommand } = await import('./test-command.js');
    return storeTestCommand(context, place);
  });
}
