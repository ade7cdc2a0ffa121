/** What rclone 1.60 does not do where the remote is a directory, and why. */
export const NOT_OF_RCLONE = {
  'only one of many clients creates config': 'rclone overwrites',
  'no reader ever sees a part of an object': 'rclone writes under the final name',
  'a read during a replace returns the old or the new bytes': 'rclone writes under the final name',
};
