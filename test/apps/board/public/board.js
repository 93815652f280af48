const url = new URL('live', document.baseURI);
url.protocol = url.protocol.replace('http', 'ws');
new WebSocket(url).onmessage = ({ data }) => {
  const post = JSON.parse(data);
  if (!post.text) return;
  const item = document.createElement('li');
  const author = document.createElement('b');
  author.textContent = post.author;
  item.append(author, ' ', post.text);
  document.getElementById('posts').prepend(item);
};
