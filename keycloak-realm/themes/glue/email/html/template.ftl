<#macro emailLayout>
<!doctype html>
<html lang="${locale.language}" dir="${(ltr)?then('ltr','rtl')}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>
  a { color: #0f766e; }
  @media (prefers-color-scheme: dark) {
    .glue-page { background: #0e1615 !important; } .glue-card { background: #16211f !important; border-color: #263431 !important; }
    .glue-ink { color: #e8efed !important; } .glue-soft, .glue-soft a { color: #a9bab5 !important; }
    .glue-button { background: #4fd1c0 !important; } .glue-button a { color: #06201d !important; } a { color: #4fd1c0; }
  }
</style>
</head>
<body class="glue-page" style="margin:0;padding:0;background:#f6f7f5;">
<table role="presentation" class="glue-page" width="100%" cellpadding="0" cellspacing="0" style="background:#f6f7f5;"><tr><td align="center" style="padding:32px 16px 40px;">
  <table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:540px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;">
    <tr><td style="padding:0 4px 20px;">
      <table role="presentation" cellpadding="0" cellspacing="0"><tr>
        <td width="36" height="36" align="center" valign="middle" style="width:36px;height:36px;border-radius:10px;background:#0f766e;color:#ffffff;font-size:20px;font-weight:700;line-height:36px;">C</td>
        <td class="glue-ink" style="padding-left:11px;color:#14211f;font-size:20px;font-weight:700;letter-spacing:-.4px;">${realmName!"Coditect"}</td>
      </tr></table>
    </td></tr>
    <tr><td class="glue-card glue-ink" style="padding:36px 36px 32px;background:#ffffff;border:1px solid #dfe5e2;border-radius:14px;color:#14211f;font-size:16px;line-height:1.6;">
<#nested>
    </td></tr>
    <tr><td class="glue-soft" style="padding:20px 4px 0;color:#687b77;font-size:13px;line-height:1.5;">${msg("glueFooter", realmName!"Coditect")}</td></tr>
  </table>
</td></tr></table>
</body>
</html>
</#macro>

<#macro action title text button note>
<h1 class="glue-ink" style="margin:0 0 14px;color:#14211f;font-size:24px;line-height:1.25;letter-spacing:-.4px;">${title}</h1>
<p style="margin:0 0 24px;">${text}</p>
<table role="presentation" cellpadding="0" cellspacing="0" style="margin:0 0 24px;"><tr><td class="glue-button" style="border-radius:10px;background:#0f766e;">
  <a href="${link}" style="display:inline-block;padding:13px 26px;color:#ffffff;font-size:16px;font-weight:600;text-decoration:none;">${button}</a>
</td></tr></table>
<p class="glue-soft" style="margin:0;color:#4d5f5b;font-size:14px;">${msg("glueLinkLife", linkExpirationFormatter(linkExpiration))} ${note}</p>
</#macro>
