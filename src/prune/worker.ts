import { importKeys } from '../crypto/hierarchy.js';
import { recordFromThread } from '../format/pack-record.js';
import { BlobIndex } from '../repository/blob-index.js';
import { serveTasks } from '../workers/serve.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import type { Note, Reply, Task, WorkerInit } from './messages.js';
import { PackCopier } from './pack-copier.js';

serveTasks<WorkerInit, Task, Reply, Note>((init, note) => {
  const copier = new PackCopier({
    keys: importKeys(init.keys),
    index: new BlobIndex(init.index),
    needed: init.needed,
    compression: init.compression,
    packTarget: init.packTarget,
    parity: init.parity,
    tolerated: init.tolerated,
    recompress: init.recompress,
    space: new SharedBuffers(init.buffers),
    emit: note,
  });
  return (task) => {
    if (task.kind === 'flush') return { reply: { copied: false, parts: copier.rest() } };
    const copied = copier.copy({ ...task, record: recordFromThread(task.record) });
    return { reply: { copied, parts: [] } };
  };
});
