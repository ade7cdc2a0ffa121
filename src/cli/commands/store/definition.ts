import type { Command } from 'commander';
import type { Shell } from '../../program/shell.js';
import { defineTest } from './test-definition.js';

const DESCRIPTION = `What repositories are stored on: directories, S3, SFTP, REST servers, and what rclone reaches. docs/stores.md tells of each.`;

const EXAMPLES = `
Examples:
  varve store test s3:https://s3.example.com/bucket
  varve store test sftp:backup@host:/srv/backup`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  defineTest(
    command.command('test').summary('try whether a place keeps what varve relies on').copyInheritedSettings(command),
    shell,
  );
}
