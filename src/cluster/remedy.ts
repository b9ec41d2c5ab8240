/** What must happen before a failed request is worth sending again. Does nothing itself. */
export type Remedy = 'refresh-metadata' | 'find-coordinator' | 'rebootstrap' | 'backoff' | 'none'
