/** Converse.js for the accounts of one domain, which asks no server but the one that it comes from. */
const { domain, uploads, version } = JSON.parse(document.documentElement.dataset.settings);
const media = uploads ? [uploads] : [];

// Converse's own show its sponsors, with pictures of their servers, and links for people who look for developers.
customElements.define(
  "converse-footer",
  class extends HTMLElement {
    connectedCallback() {
      const link = document.createElement("a");
      link.href = "https://github.com/conversejs/converse.js";
      link.target = "_blank";
      link.rel = "noreferrer";
      link.textContent = version.replace(/-[^-]+$/, "").replace("-", " ");
      this.append(link);
    }
  },
);
customElements.define("converse-controlbox-navbar", class extends HTMLElement {});

globalThis.converse.initialize({
  view_mode: "fullscreen",
  assets_path: new URL(`${version}/dist`, location.href).pathname,
  websocket_url: `wss://${location.host}/xmpp-websocket`,
  discover_connection_methods: false,
  locked_domain: domain,
  // An invitation's page makes accounts.
  allow_registration: false,
  // Pictures, sounds and films are shown where they come from this server; others are links.
  render_media: media,
  allowed_image_domains: media,
  allowed_audio_domains: media,
  allowed_video_domains: media,
  embed_3rd_party_media_players: false,
  // Lists of other servers and rooms, which foreign servers have.
  autocomplete_providers_url: "",
  xmpp_providers_url: "",
  muc_search_service: "",
  show_background: false,
  show_self_in_roster: false,
  loglevel: "warn",
});
