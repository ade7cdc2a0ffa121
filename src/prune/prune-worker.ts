import { importKeys } from '../crypto/hierarchy.js';
import { recordFromThread } from '../format/pack-record.js';
import { BlobIndex } from '../repository/index/blob-index.js';
import { serveTasks } from '../workers/serve.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import type { Note, Reply, Task, WorkerInit } from './messages.js';
import { PackCopier } from './pack-copier.js';

serveTasks<WorkerInit, Task, Reply, Note>(({ keys, index, buffers, ...work }, note) => {
  const copier = new PackCopier({
    ...work,
    keys: importKeys(keys),
    index: new BlobIndex(index),
    space: new SharedBuffers(buffers),
    emit: note,
  });
  return (task) => {
    if (task.kind === 'flush') return { reply: { copied: false, parts: copier.rest() } };
    const copied = copier.copy({ ...task, record: recordFromThread(task.record) });
    return { reply: { copied, parts: [] } };
  };
});
