import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describedInEnvironment, describedOpenly } from '../../../src/storage/rclone/remote.js';

test('describedInEnvironment moves secrets of a remote to the environment', () => {
  const cases: [string, string, Record<string, string>][] = [
    ['drive:x', 'drive:x', {}],
    [':local:/x', ':local:/x', {}],
    [':sftp,host=h,pass=hidden,user=u:x,y=z:p', ':sftp,host=h,user=u:x,y=z:p', { RCLONE_SFTP_PASS: 'hidden' }],
    [
      `:webdav,bearer_token="a""b,c:d",url='http://h:1/':x`,
      `:webdav,url='http://h:1/':x`,
      { RCLONE_WEBDAV_BEARER_TOKEN: 'a"b,c:d' },
    ],
    ['my-box,pass=hidden,flag:', 'my-box,flag:', { 'RCLONE_CONFIG_MY-BOX_PASS': 'hidden' }],
  ];
  for (const [described, location, environment] of cases) {
    const remote = describedInEnvironment(described);
    assert.deepEqual([remote.location, remote.environment], [location, environment]);
  }
});

test('rclone’s messages are shown without its secrets', () => {
  const location = `:sftp,host=h,pass="hid""den",user=u:x`;
  for (const { mask } of [describedInEnvironment(location), describedOpenly(location)]) {
    assert.equal(mask('wrong: hid"den'), 'wrong: ***');
    assert.equal(mask('at http://ann:other@h/'), 'at http://ann:***@h/');
  }
  assert.equal(describedOpenly(location).mask(`"${location}"`), '":sftp,host=h,pass=***,user=u:x"');
  assert.equal(describedOpenly(location).location, location);
});
