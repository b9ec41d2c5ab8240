/** A module hook (it runs in a thread of its own) that tells of every module loaded from a file. */

import type { LoadFnOutput, LoadHookContext } from 'node:module'
import type { MessagePort } from 'node:worker_threads'

let port: MessagePort

export function initialize(data: { port: MessagePort }): void {
  port = data.port
}

export function load(
  url: string,
  context: LoadHookContext,
  nextLoad: (url: string, context?: LoadHookContext) => LoadFnOutput | Promise<LoadFnOutput>,
): LoadFnOutput | Promise<LoadFnOutput> {
  if (url.startsWith('file:')) port.postMessage(url)
  return nextLoad(url, context)
}
