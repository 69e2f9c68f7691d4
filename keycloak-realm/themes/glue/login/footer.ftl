<#macro content>
<aside class="glue-brand" aria-label="${realm.displayName!}">
  <p class="glue-brand-line">${msg("glueTagline")}</p>
  <ul>
    <li>${msg("gluePointAgents")}</li>
    <li>${msg("gluePointLicenses")}</li>
    <li>${msg("gluePointBill")}</li>
  </ul>
</aside>
</#macro>
