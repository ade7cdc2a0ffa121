import type { Command } from 'commander';
import type { Session } from '../../program/shell.js';
import { defineTest } from './test-definition.js';

const DESCRIPTION = `Stores hold repositories: directories, S3, SFTP, REST servers, and everything that rclone reaches. See docs/stores.md.`;

const EXAMPLES = `
Examples:
  varve store test s3:https://s3.example.com/bucket
  varve store test sftp:backup@host:/srv/backup`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  defineTest(
    command.command('test').summary('test whether a location can hold a repository').copyInheritedSettings(command),
    session,
  );
}
