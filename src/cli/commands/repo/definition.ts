import type { Command } from 'commander';
import type { Shell } from '../../program/shell.js';
import { define as defineInit } from '../init/definition.js';

export function define(command: Command, shell: Shell): void {
  command.description('Commands about the repository as a whole.');
  defineInit(command.command('init').summary('make a new repository').copyInheritedSettings(command), shell);
}
