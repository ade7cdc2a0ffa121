import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownWord } from '../../src/cli/program/process-title.js';

test('words of a command line as others may see them', () => {
  const words: [string, string][] = [
    ['rest:http://ann:hidden@host/', 'rest:http://ann:***@host/'],
    ['--repo=rest:http://ann:hidden@host/', '--repo=rest:http://ann:***@host/'],
    ['--from-repo=rclone::ftp,pass=hidden:x', '--from-repo=rclone::ftp,pass=***:x'],
    ['-rrest:http://ann:hidden@host/', '-rrest:http://ann:***@host/'],
    ['https://ann:hidden@host/', 'https://ann:***@host/'],
    ['sftp.command=sshpass -p hidden ssh host -s sftp', 'sftp.command=***'],
    ['--option=rclone.args=serve restic --stdio --sftp-pass hidden', '--option=rclone.args=***'],
    ['-orclone.program=ssh host', '-orclone.program=***'],
  ];
  for (const [word, shown] of words) assert.equal(shownWord(word), shown);
});

test('all other words stay as they are', () => {
  for (const word of ['backup', '/home/a:b@c', '-o', 's3.region=eu-1', '--tag=a:b@c', 'rest:http://host:8000/a@b/', ''])
    assert.equal(shownWord(word), word);
});
