import type { Command } from 'commander';
import type { Shell } from '../shell.js';
import { defineAdd } from './key/add.js';
import { defineList } from './key/list.js';
import { definePasswd } from './key/passwd.js';
import { defineRemove } from './key/remove.js';
import { defineRotate } from './key/rotate.js';

const DESCRIPTION = `Keys are the ways into the repository: a password or a key file each, for a person or a machine. A full key may do everything; a
manage key may list what is in snapshots and manage them, but not read the contents of files; an append key may make backups and read nothing back.
None of these commands touches what is backed up.`;

const EXAMPLES = `
Examples:
  varve key list
  varve key add --role append --host web1 --new-password-file web1.password
  varve key remove 1a2b3c4d --ignore-since 2026-03-01 && varve key rotate     after web1 was stolen`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  for (const [name, summary, defineOne] of [
    ['list', 'list the keys', defineList],
    ['add', 'add a key', defineAdd],
    ['remove', 'remove a key', defineRemove],
    ['passwd', 'change the password of the key in use', definePasswd],
    ['rotate', 'give the repository new secrets', defineRotate],
  ] as const) {
    defineOne(command.command(name).summary(summary).copyInheritedSettings(command), shell);
  }
}
