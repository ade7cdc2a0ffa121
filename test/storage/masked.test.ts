import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskedLocation, maskedLogins } from '../../src/storage/masked.js';

test('maskedLocation hides passwords, also in a mistyped location', () => {
  const places: [string, string][] = [
    ['rest:https://ann:hidden@host:8000/x/', 'rest:https://ann:***@host:8000/x/'],
    ['rest:https://ann:hid/den@host/x', 'rest:https://ann:***@host/x'],
    ['rest:https://ann:1#hidden@host/x', 'rest:https://ann:***@host/x'],
    ['rest:http://ann:hid@den@host/x', 'rest:http://ann:***@host/x'],
    ['rest:ann:hidden@host/x', 'rest:ann:***@host/x'],
    ['rest:http+unix://ann:hidden@/run/x.sock:/x', 'rest:http+unix://ann:***@/run/x.sock:/x'],
    ['REST:https://ann:hidden@host/x', 'REST:https://ann:***@host/x'],
    ['https://ann:hidden@host/x', 'https://ann:***@host/x'],
    ['ann:hidden@host:x', 'ann:***@host:x'],
    ['s3:https://id:hidden@host/bucket', 's3:https://***@host/bucket'],
    ['s3:id:hidden@host/bucket', 's3:***@host/bucket'],
    ['sftp:ann:hid@den@host:/x', 'sftp:ann:***@host:/x'],
    ['sftp://ann:hidden@host:22//x', 'sftp://ann:***@host:22//x'],
    ['rclone::sftp,host=h,pass=hidden,key_use_agent:x', 'rclone::sftp,host=h,pass=***,key_use_agent:x'],
    [
      `rclone::webdav,url='https://ann:hidden@h/',bearer_token="hid""den,:":x`,
      `rclone::webdav,url='https://ann:***@h/',bearer_token=***:x`,
    ],
    ['rclone:named,client_secret=hidden:x', 'rclone:named,client_secret=***:x'],
  ];
  for (const [place, shown] of places) assert.equal(maskedLocation(place), shown);
});

test('maskedLocation leaves a location without a password unchanged', () => {
  for (const place of [
    '/srv/a:b@c',
    'local:a:b@c',
    'rest:https://ann@host:8000/x@y/',
    'rest:http://[::1]:8000/',
    's3:https://host:9000/bucket/a@b',
    's3:bucket/a@b',
    'sftp:ann@host:/x/a:b@c',
    'sftp:host:/a@b',
    'sftp://ann@host:22//x',
    'rclone:drive:x/a@b',
    'rclone::local:/x',
  ])
    assert.equal(maskedLocation(place), place);
});

test('maskedLogins hides passwords in foreign text', () => {
  assert.equal(
    maskedLogins('Get "https://ann:hidden@host/x": refused; http://host:80/'),
    'Get "https://ann:***@host/x": refused; http://host:80/',
  );
});
