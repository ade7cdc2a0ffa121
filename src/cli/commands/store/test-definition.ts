import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';

const DESCRIPTION = `Test whether a location can hold a repository: objects appear whole or not at all, stay unchanged, are listed, and disappear when removed. Also measures
the speed. The test works in a directory of its own at the location, and removes it. It needs no repository and no password.`;

const AFTER = `
The test takes some 10 to 60 seconds, moves a few hundred MiB, and makes some thousand requests. docs/stores.md explains what a
failure means. Do not test a location that refuses deletion: the test's objects would stay there.

Examples:
  varve store test /mnt/usb
  varve store test s3:https://s3.example.com/bucket
  varve store test rest:https://anna:PASSWORD@host:8000/anna --json

Exit codes: 0 all tests passed; 1 a test failed, or the test could not run; 130 interrupted.`;

export function defineTest(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('<location>', 'a location as for --repo').addHelpText('after', AFTER);
  run(command, session, async (context, [location = '']) => {
    const { storeTestCommand } = await import('./test-command.js');
    return storeTestCommand(context, location);
  });
}
