#!/bin/sh
# Node.js: child processes, worker threads that start some, a cluster. Needs: node
cat > "$T/main.js" <<'X'
const { spawn, exec, execSync, fork } = require('child_process');
const { Worker, isMainThread, workerData } = require('worker_threads');
const cluster = require('cluster');
const fs = require('fs');
setInterval(() => {}, 1e6);
if (process.argv[2] === 'child') {
  spawn('sleep', ['901']);
} else if (!isMainThread) {
  spawn('sleep', [String(workerData)]);
  if (workerData === 903) setTimeout(() => process.exit(0), 100); // ends the thread alone
} else if (cluster.isWorker) {
  exec('sleep 904 & wait');
} else {
  spawn('sleep', ['905'], { detached: true, stdio: 'ignore' }).unref();
  execSync('true | cat');
  fork(__filename, ['child']);
  for (const number of [902, 903]) new Worker(__filename, { workerData: number });
  cluster.setupPrimary({ exec: __filename, args: [] });
  cluster.fork();
  cluster.fork();
  setTimeout(() => fs.writeFileSync(process.env.DONE, ''), 2500);
}
X
node "$T/main.js"
