"""Texts that try to get out of their place in a page."""

SCRIPT = "</script><script>document.title = 'ran'</script>"
IMAGE = "<img src=x onerror=\"document.title='ran'\">"
HOSTILE = f"{SCRIPT}{IMAGE} \"'&amp; \u2028 \ud83d \x00 \u202e\ufeff {{ 7 * 7 }} <b>굵게</b>"
