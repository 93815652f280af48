// A message board with live updates.  It is deployed at the root of a host and knows of no path in front of it.
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const express = require('express');
const multer = require('multer');
const { Sequelize, DataTypes } = require('sequelize');
const { WebSocketServer } = require('ws');

const uploads = path.resolve(process.env.UPLOADS || 'uploads');
const sequelize = new Sequelize(process.env.DATABASE_URL || 'sqlite:data/board.sqlite3', { logging: false });

const Post = sequelize.define('post', {
  author: { type: DataTypes.STRING, allowNull: false, defaultValue: 'somebody' },
  text: { type: DataTypes.TEXT, allowNull: false, validate: { notEmpty: true } },
});

const app = express();
const server = http.createServer(app);
const sockets = new WebSocketServer({ server, path: '/live' });
const streams = new Set();

app.disable('x-powered-by');
app.set('trust proxy', 'loopback');
app.use(express.urlencoded({ extended: false }));
app.use(express.json());
app.use(express.static(path.join(__dirname, 'public')));

function announce(post) {
  const text = JSON.stringify(post);
  for (const socket of sockets.clients) socket.send(text);
  for (const stream of streams) stream.write(`data: ${text}\n\n`);
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
}

function visits(req, res) {
  const match = /(?:^|; )visits=(\d+)/.exec(req.headers.cookie || '');
  const count = Number(match ? match[1] : 0) + 1;
  res.cookie('visits', count, { path: '/', httpOnly: true, sameSite: 'lax' });
  return count;
}

app.get('/up', (req, res) => res.type('text').send('up\n'));

app.get('/', async (req, res) => {
  const posts = await Post.findAll({ order: [['id', 'DESC']], limit: 100 });
  const items = posts.map((p) => `<li><b>${escaped(p.author)}</b> ${escaped(p.text)}</li>`).join('\n');
  res.send(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Board</title>
<link rel="stylesheet" href="board.css"><script src="board.js" defer></script>
<main><h1>Board</h1><p>Visit <span id="visits">${visits(req, res)}</span></p>
<form method="post" action="posts"><input name="author" placeholder="Your name" aria-label="Your name">
<input name="text" placeholder="What is new?" aria-label="What is new?" required><button>Post</button></form>
<ul id="posts">
${items}
</ul></main></html>
`);
});

app.get('/posts', async (req, res) => res.json(await Post.findAll({ order: ['id'] })));

app.post('/posts', async (req, res) => {
  const post = await Post.create({ author: req.body.author || undefined, text: req.body.text });
  announce(post);
  if (req.accepts(['html', 'json']) === 'json') res.status(201).json(post);
  else res.redirect(303, '/');
});

app.get('/events', (req, res) => {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  res.write(': welcome\n\n');
  streams.add(res);
  req.on('close', () => streams.delete(res));
});

const upload = multer({ storage: multer.diskStorage({
  destination: uploads,
  filename: (req, file, done) => done(null, path.basename(file.originalname)),
}) });

app.post('/files', upload.single('file'), (req, res) => {
  res.status(201).location(`/files/${encodeURIComponent(req.file.filename)}`).json({ name: req.file.filename, size: req.file.size });
});

app.get('/files/:name', (req, res) => res.sendFile(path.basename(req.params.name), { root: uploads }));

// For servers in front that can send files themselves: the body is theirs to fill in.
app.get('/send/:name', (req, res) => {
  res.set('X-Sendfile', path.join(uploads, path.basename(req.params.name))).type('application/octet-stream').end();
});

app.get('/whoami', (req, res) => res.json({
  pid: process.pid, url: req.originalUrl, protocol: req.protocol, host: req.headers.host, ip: req.ip,
  headers: req.headers, database: process.env.DATABASE_URL,
}));

// eslint-disable-next-line no-unused-vars
app.use((error, req, res, next) => {
  const status = error.name === 'SequelizeValidationError' ? 422 : error.status || 500;
  res.status(status).json({ error: error.message });
});

sockets.on('connection', (socket) => {
  socket.send(JSON.stringify({ hello: process.pid }));
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

function stop() {
  for (const socket of sockets.clients) socket.close(1001);
  for (const stream of streams) stream.end();
  server.close(async () => {
    await sequelize.close();
    process.exit(0);
  });
  server.closeIdleConnections();
}

async function main() {
  fs.mkdirSync(uploads, { recursive: true });
  if (!process.env.DATABASE_URL) fs.mkdirSync('data', { recursive: true });
  await sequelize.query('PRAGMA journal_mode = WAL');
  await sequelize.sync();
  server.listen(Number(process.env.PORT || 3000), '127.0.0.1', () => console.log(`board listens on ${process.env.PORT}`));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main();
