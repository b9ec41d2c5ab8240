/** Where a member of the classic protocol is, and where it can go from there. */

export type MemberState =
  /** Outside the group. */
  | 'unjoined'
  /** Letting go of what it holds before it joins; still beating. */
  | 'preparing'
  /** Waiting for JoinGroup, which the coordinator answers when all members have come. */
  | 'joining'
  /** Waiting for SyncGroup, which it answers when the leader has divided the partitions. */
  | 'syncing'
  /** Telling the application what it got; beating again. */
  | 'assigning'
  | 'stable'
  /** Over, with an error. */
  | 'failed'
  /** Over, as wished. */
  | 'left'

const next: Readonly<Record<MemberState, readonly MemberState[]>> = {
  unjoined: ['preparing', 'failed', 'left'],
  preparing: ['joining', 'unjoined', 'failed', 'left'],
  // Back to preparing: the attempt failed, and the next one begins.
  joining: ['syncing', 'preparing', 'unjoined', 'failed', 'left'],
  syncing: ['assigning', 'preparing', 'unjoined', 'failed', 'left'],
  assigning: ['stable', 'preparing', 'unjoined', 'failed', 'left'],
  stable: ['preparing', 'unjoined', 'failed', 'left'],
  failed: ['left'],
  left: [],
}

/** Whether the table has the step; a state may also stay as it is. */
export function canGo(from: MemberState, to: MemberState): boolean {
  return from === to || next[from].includes(to)
}

/** The coordinator expects to hear from a member in these states; in `joining` and `syncing` it waits for us anyway. */
export function beats(state: MemberState): boolean {
  return state === 'preparing' || state === 'assigning' || state === 'stable'
}
